"""Starts ministack, the stand-in for AWS, with two additions that the template needs.

ministack rejects an alarm over metric math. Here, such an alarm is stored and described as declared, but never
evaluated. ministack's Lambda obeys a reserved concurrency, but its CloudFormation does not set it: this does.
Run this with the interpreter that has ministack.
"""

from collections.abc import Callable

from ministack.app import main
from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

plain_alarm_record = provisioners._cw_metric_alarm_record


def alarm_record(name: str, properties: dict) -> dict:
    if not (metrics := properties.get("Metrics")):
        return plain_alarm_record(name, properties)
    record = plain_alarm_record(name, properties | {"MetricName": "-", "Namespace": "-", "Metrics": None})
    record |= dict.fromkeys(("MetricName", "Namespace", "Statistic", "Period"))
    # CloudFormation passes booleans and numbers on as text, but CloudWatch's API needs their types.
    for metric in metrics:
        metric["ReturnData"] = str(metric.get("ReturnData", True)).lower() == "true"
        if "MetricStat" in metric:
            metric["MetricStat"]["Period"] = int(metric["MetricStat"]["Period"])
    return record | {"Metrics": metrics}


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
