"""Starts ministack, the stand-in for AWS, with two additions that the template needs.

ministack rejects an alarm over metric math: here, such an alarm loses its metrics. ministack's Lambda obeys a reserved
concurrency, but its CloudFormation does not set it: this does.
Run this with the interpreter that has ministack.
"""

from collections.abc import Callable

from ministack.app import main
from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

record = provisioners._cw_metric_alarm_record


def alarm_record(name: str, properties: dict) -> dict:
    return record(name, {"MetricName": "-", "Namespace": "-"} | properties | {"Metrics": None})


def reserving(provision: Callable[..., tuple], position: int) -> Callable[..., tuple]:
    """Wraps the creation or update of a function. `position` is that of the new properties."""

    def provisioned(*arguments: object, **named: object) -> tuple:
        made = provision(*arguments, **named)
        reserved = arguments[position].get("ReservedConcurrentExecutions")
        lambda_svc._functions[made[0]]["concurrency"] = None if reserved is None else int(reserved)
        return made

    return provisioned


provisioners._cw_metric_alarm_record = alarm_record
handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
handlers |= {"create": reserving(handlers["create"], 1), "update": reserving(handlers["update"], 2)}

if __name__ == "__main__":
    main()
