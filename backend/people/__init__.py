"""How people sign in, out and up, and change their passwords: django-allauth behind a guard."""
