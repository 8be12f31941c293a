"""What plays the scenario in containers does without what starts the product on a machine."""

import subprocess
import sys

WITHOUT = "import sys; sys.modules |= dict.fromkeys(('devstack', 'simulators')); import demo.trial"


def test_the_trial_needs_neither_the_devstack_nor_the_simulators_code() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
