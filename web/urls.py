"""Addresses of the page. A picture's key and its share link are 128 random bits each."""

from django.urls import include, path

from web.studio import views

urlpatterns = [
    path("", views.start, name="start"),
    path("about/", views.about, name="about"),
    path("suggest/", views.suggest, name="suggest"),
    path("samples/<slug:name>.png", views.sample, name="sample"),
    path("p/<str:key>/", views.result, name="result"),
    path("p/<str:key>/state", views.state, name="state"),
    path("p/<str:key>/again", views.again, name="again"),
    path("p/<str:key>/share", views.share, name="share"),
    path("p/<str:key>/delete", views.delete, name="delete"),
    path("p/<str:key>/small.jpg", views.small, name="small"),
    path("p/<str:key>/<str:which>.png", views.picture, name="picture"),
    path("s/<str:token>/", views.shared, name="shared"),
    path("s/<str:token>/<str:which>.png", views.shared_picture, name="shared_picture"),
    path("i18n/", include("django.conf.urls.i18n")),
]

handler400 = "web.studio.views.bad"
handler403 = "web.studio.views.foreign"
handler404 = "web.studio.views.lost"
handler500 = "web.studio.views.broken"
