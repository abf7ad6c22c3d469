"""What stands between a right password and a session."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.stages import EmailVerificationStage


class ConfirmationStage(EmailVerificationStage):
    """Lets nobody in by an account that they made with an address which is not confirmed.

    allauth would ask everybody for a confirmed address; whom an operator made a user needs none.
    """

    def handle(self) -> Any:
        unconfirmed = EmailAddress.objects.filter(
            user=self.login.user, primary=True, verified=False
        )
        if self.login.signup or unconfirmed.exists():
            return super().handle()
        return None, True
