"""The contract of hosted generators: nothing paid is lost or paid twice, whatever the service does.

A plugin's test implements a :class:`nil_core.testing.fake_service.FakeProtocol` as the service documents it, and runs
every check::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, bench):
        check(bench)
"""

from collections.abc import Callable

from nil_core.testing.hosted.bench import Bench, hosted_request
from nil_core.testing.hosted.files import (
    check_damaged_file,
    check_expired_url,
    check_file_of_any_type,
    check_interrupted_download,
    check_lost_file,
    check_permanently_damaged_file,
)
from nil_core.testing.hosted.orders import (
    check_another_seed_is_another_order,
    check_key_echoed_by_service,
    check_moderated_order,
    check_no_credit,
    check_no_key,
    check_permanent_server_error,
    check_rate_limit,
    check_rate_limit_until_deadline,
    check_redirected_order,
    check_server_errors,
    check_strange_words,
    check_success,
    check_wrong_key,
)
from nil_core.testing.hosted.tasks import (
    check_deadline,
    check_failed_task,
    check_interrupted,
    check_killed_before_response,
    check_killed_while_waiting,
    check_lost_response,
    check_moderated_task,
)

CHECKS: tuple[Callable[[Bench], None], ...] = (
    check_success,
    check_another_seed_is_another_order,
    check_wrong_key,
    check_no_credit,
    check_rate_limit,
    check_rate_limit_until_deadline,
    check_server_errors,
    check_permanent_server_error,
    check_failed_task,
    check_moderated_task,
    check_moderated_order,
    check_deadline,
    check_interrupted,
    check_expired_url,
    check_interrupted_download,
    check_damaged_file,
    check_permanently_damaged_file,
    check_file_of_any_type,
    check_lost_file,
    check_lost_response,
    check_killed_while_waiting,
    check_killed_before_response,
    check_redirected_order,
    check_strange_words,
    check_key_echoed_by_service,
)

__all__ = ["CHECKS", "Bench", "check_no_key", "hosted_request"]
