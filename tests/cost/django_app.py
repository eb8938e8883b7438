"""The program that the counter replaces: a Django view and a template, behind AWS's Python client.

AWS starts it with `python -m awslambdaric django_app.handler`.
"""

import logging

import django
from apig_wsgi import make_lambda_handler
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.shortcuts import render
from django.urls import path

TEMPLATES = {"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": ["target/cost"]}
settings.configure(ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None, ROOT_URLCONF=__name__, TEMPLATES=[TEMPLATES])
django.setup()
log = logging.getLogger(__name__)
log.setLevel(logging.INFO)


def visit(request):
    try:
        previous = int(request.COOKIES.get("count", "0"))
    except ValueError:
        previous = 0
    count = previous + 1
    log.info("visit %d", count)
    response = render(request, "django.html", {"previous": previous, "count": count, "next": count + 1})
    response.set_cookie("count", str(count), max_age=34_560_000, secure=True, httponly=True, samesite="Lax")
    response["Cache-Control"] = "no-store"
    return response


urlpatterns = [path("", visit)]
handler = make_lambda_handler(get_wsgi_application())
