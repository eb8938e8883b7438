"""Start the stand-in for AWS, which two things about the template have to be taught to.

It refuses an alarm over metric math: here such an alarm is stored and described as it was declared, though
never evaluated. And it leaves out a function's ReservedConcurrentExecutions, which it would honour.
Run with the interpreter that ministack is installed for.
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
    # CloudFormation hands booleans and numbers on as text; CloudWatch's API has them typed.
    for metric in metrics:
        metric["ReturnData"] = str(metric.get("ReturnData", True)).lower() == "true"
        if "MetricStat" in metric:
            metric["MetricStat"]["Period"] = int(metric["MetricStat"]["Period"])
    return record | {"Metrics": metrics}


def reserving(provision: Callable[..., tuple], position: int) -> Callable[..., tuple]:
    """Creates or updates a function, whose new properties are in this position."""

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
