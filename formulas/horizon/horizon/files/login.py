"""Logs in to the dashboard through its form, as a browser does, looks at the page after it, and logs out."""
import html.parser
import http.cookiejar
import os
import sys
import urllib.parse
import urllib.request


class Page(html.parser.HTMLParser):
    """The fields of its forms, and where its links and style sheets are."""

    def __init__(self, text):
        super().__init__()
        self.fields, self.links = {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "input" and attrs.get("name"):
            self.fields.setdefault(attrs["name"], attrs.get("value") or "")
        elif tag in ("a", "link") and attrs.get("href"):
            self.links.append(attrs["href"])


def say(problem):
    sys.exit("horizon: " + problem)


base, public = os.environ["HORIZON_URL"], urllib.parse.urlsplit(os.environ["HORIZON_PUBLIC_URL"])
# its cookies are for TLS where users have that; here it is asked directly
policy = http.cookiejar.DefaultCookiePolicy(secure_protocols=("http", "https"))
cookies = http.cookiejar.CookieJar(policy)
browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
browser.addheaders = [("X-Forwarded-Proto", public.scheme), ("Referer", public.scheme + "://" + urllib.parse.urlsplit(base).netloc + "/")]


def get(path, data=None):
    body = urllib.parse.urlencode(data).encode() if data else None
    with browser.open(urllib.parse.urljoin(base, path), body, timeout=30) as answer:
        return answer.geturl(), answer.read().decode("utf-8", "replace")


url, text = get("/auth/login/")
form = Page(text)
if "csrfmiddlewaretoken" not in form.fields or "csrftoken" not in {one.name for one in cookies}:
    say("the page at %s has no login form" % url)
styles = [link for link in form.links if link.split("?")[0].endswith(".css")]
if not styles:
    say("the login form has no style sheet")
size = sum(len(get(link)[1]) for link in styles)

login = {name: form.fields[name] for name in ("csrfmiddlewaretoken", "region") if name in form.fields}
# the page that users see first is of Nova, which a cloud may not have
login["next"] = "/identity/"
url, text = get("/auth/login/", {**login, "username": os.environ["OS_USERNAME"], "password": os.environ["OS_PASSWORD"]})
page = Page(text)
if "sessionid" not in {one.name for one in cookies} or not any("/auth/logout/" in link for link in page.links):
    say("%s was not let in" % os.environ["OS_USERNAME"])
if os.environ["OS_USERNAME"] not in text or os.environ["OS_PROJECT_NAME"] not in text:
    say("the page at %s does not name who logged in" % url)
title = text.partition("<title>")[2].partition("</title>")[0]
get("/auth/logout/")
print(
    "%s logged in through the form, saw %r in project %s with %d KB of style, and logged out"
    % (os.environ["OS_USERNAME"], " ".join(title.split()), os.environ["OS_PROJECT_NAME"], size // 1024)
)
