"""The counter as it was first designed: a Django view and a template, behind AWS's Python client.

AWS starts it with `python -m awslambdaric app.handler`.
"""

import logging
from pathlib import Path

import django
from apig_wsgi import make_lambda_handler
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.shortcuts import render
from django.urls import path

MAX_AGE = 400 * 24 * 60 * 60

settings.configure(
    ALLOWED_HOSTS=["*"],
    LOGGING_CONFIG=None,
    ROOT_URLCONF=__name__,
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [Path(__file__).parent],
        }
    ],
)
django.setup()

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)


def visit(request):
    """Counts one more visit in the cookie `count`."""
    try:
        previous = int(request.COOKIES.get("count", "0"))
    except ValueError:
        previous = 0
    count = previous + 1
    log.info("visit %d", count)
    numbers = {"previous": previous, "count": count, "next": count + 1}
    response = render(request, "page.html", numbers)
    response.set_cookie(
        "count", str(count), max_age=MAX_AGE, secure=True, httponly=True, samesite="Lax"
    )
    response["Cache-Control"] = "no-store"
    return response


urlpatterns = [path("", visit)]

handler = make_lambda_handler(get_wsgi_application())
