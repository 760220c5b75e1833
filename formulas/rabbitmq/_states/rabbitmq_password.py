"""
Passwords of RabbitMQ users, handed to rabbitmqctl on stdin.

Salt's ``rabbitmq_user.present`` gives them as arguments, where every process list of the machine shows them.
"""

import shutil


def __virtual__():
    if shutil.which("rabbitmqctl"):
        return True
    return False, "needs rabbitmqctl"


def _rabbitmqctl(verb, name, password, runas):
    return __salt__["cmd.run_all"](
        [shutil.which("rabbitmqctl"), verb, name],  # in /usr/sbin, which PATH lacks under runas
        stdin=password + "\n",
        runas=runas,
        python_shell=False,
        reset_system_locale=False,
        output_loglevel="quiet",
        ignore_retcode=True,
    )


def present(name, password, runas=None):
    """
    Ensure that the user, who must exist, has this password.
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": f"User {name} has this password"}
    if _rabbitmqctl("authenticate_user", name, password, runas)["retcode"] == 0:
        return ret
    ret["changes"] = {"password": "set"}
    if __opts__["test"]:
        return {**ret, "result": None, "comment": f"The password of user {name} would be set"}
    done = _rabbitmqctl("change_password", name, password, runas)
    if done["retcode"] != 0:
        return {**ret, "result": False, "changes": {}, "comment": done["stderr"] or done["stdout"]}
    return {**ret, "comment": f"The password of user {name} was set"}
