"""Start the local AWS stand-in, with two things taught to it that the template needs.

ministack refuses an alarm over metric math; here it stores such an alarm as it stores any
other, and describes it as it was declared (it is never evaluated). And it leaves out a
function's ReservedConcurrentExecutions, which it would honour; here they are set, or refused
where the account has too few left, as Lambda does.
Run with the interpreter that ministack is installed for (requirements/stand-in.txt).
"""

from ministack.app import main
from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

plain_alarm_record = provisioners._cw_metric_alarm_record


def alarm_record(name: str, properties: dict) -> dict:
    if not properties.get("Metrics"):
        return plain_alarm_record(name, properties)
    placeholder = {"MetricName": "-", "Namespace": "-"}
    record = plain_alarm_record(name, {**properties, **placeholder, "Metrics": None})
    for unused in ("MetricName", "Namespace", "Statistic", "Period"):
        record[unused] = None
    record["Metrics"] = [metric_query(query) for query in properties["Metrics"]]
    return record


def metric_query(query: dict) -> dict:
    """CloudFormation hands numbers and booleans on as text; CloudWatch's API has them typed."""
    typed = {**query, "ReturnData": str(query.get("ReturnData", True)).lower() == "true"}
    if "MetricStat" in query:
        typed["MetricStat"] = {**query["MetricStat"], "Period": int(query["MetricStat"]["Period"])}
    return typed


provisioners._cw_metric_alarm_record = alarm_record

function_handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
plain_create, plain_update = function_handlers["create"], function_handlers["update"]


ACCOUNT_LIMIT, UNRESERVED = 1100, 100


def concurrency(properties: dict, function: str | None = None) -> int | None:
    reserved = properties.get("ReservedConcurrentExecutions")
    if reserved is None:
        return None
    others = sum(record.get("concurrency") or 0 for name, record in lambda_svc._functions.items() if name != function)
    if int(reserved) > max(0, ACCOUNT_LIMIT - UNRESERVED - others):
        raise ValueError(
            "Specified ReservedConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{UNRESERVED}]."
        )
    return int(reserved)


def create(logical_id: str, properties: dict, stack: str) -> tuple:
    reserved = concurrency(properties)
    created = plain_create(logical_id, properties, stack)
    lambda_svc._functions[created[0]]["concurrency"] = reserved
    return created


def update(physical_id: str, old: dict, new: dict, stack: str, logical_id: str | None = None) -> tuple:
    reserved = concurrency(new, physical_id)
    updated = plain_update(physical_id, old, new, stack, logical_id)
    lambda_svc._functions[updated[0]]["concurrency"] = reserved
    return updated


function_handlers |= {"create": create, "update": update}

if __name__ == "__main__":
    main()
