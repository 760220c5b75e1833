"""A cloud in a Kubernetes cluster: reached with kubectl, its objects applied on the server, its pods asked and awaited.

``kubectl`` is what operators have and trust with their credentials (exec plugins, proxies, contexts); each call is a
command that they could make themselves.
"""
