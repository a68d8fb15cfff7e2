// SIGNL4's outbound webhooks. https://www.signl4.com/outbound-webhooks/
import { eventFrom, externalIds, fill, objectOf, secondOf } from '_lib/payload';
import { flatten, without } from '_lib/values';

// A changed alert says in its status what became of it.
const EVENTS = new Map([
    ['200', 'New Alert Created'],
    ['201', 'Alert Confirmed'],
    ['201 4', 'Alert Resolved'],
    ['202', 'Alert Escalated'],
    ['203', 'Alert Annotated'],
    ['300', 'Duty Period Started'],
    ['301', 'Duty Period Ended'],
    ['302', 'Somebody Punched-In'],
    ['303', 'Somebody Punched-Out'],
]);
const ROWS = [
    ['id', 'messageId'],
    ['user.mailaddress', 'context.traits.email'],
    ['user.username', 'context.traits.name'],
];
const MAPPED = ['id', 'eventRaisedUtc', 'user.id', 'user.mailaddress', 'user.username'];

const nameOf = (payload) => EVENTS.get(`${payload.eventType} ${payload.alert?.statusCode}`) ?? EVENTS.get(`${payload.eventType}`)
    ?? 'Alert Updated';

export function transform(request, config, ctx) {
    const payload = objectOf(request);
    const event = fill(eventFrom('Signl4', { type: 'track', event: nameOf(payload), anonymousId: ctx.uuid() }), payload, ROWS);
    const ids = externalIds({ signl4UserId: payload.user?.id });
    if (ids.length > 0) {
        event.context.externalId = ids;
    }
    const time = secondOf(payload.eventRaisedUtc);
    return { events: [{ ...event, ...(time && { originalTimestamp: time }), properties: without(flatten(payload), MAPPED) }] };
}
