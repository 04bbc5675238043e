"""What a simulated world and those who reach it both know: keys that open nothing real."""

from typing import Final

API_KEY: Final = "sk_test_simulated"
WEBHOOK_SECRET: Final = "whsec_simulated"
# Where a secret is not to be seen in the list of processes.
SECRET_VARIABLE: Final = "TALLYSTICK_SANDBOX_WEBHOOK_SECRET"
