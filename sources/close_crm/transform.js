// Close CRM's webhooks. https://developer.close.com/topics/webhooks/
import { Dead } from 'sluice';
import { eventFrom, fill, isoOf, objectOf } from '_lib/payload';
import { compact, without } from '_lib/values';

const ROWS = [
    ['id', 'messageId'],
    ['lead_id', 'userId'],
];

export function transform(request, config, ctx) {
    const payload = objectOf(request);
    const source = payload.event;
    if (!source?.object_type || !source.action) {
        throw new Dead('a webhook of Close has an event with object_type and action');
    }
    const event = fill(eventFrom('CloseCRM', { type: 'track', event: `${source.object_type} ${source.action}` }), source, ROWS);
    if (event.userId === undefined) {
        event.anonymousId = ctx.uuid();
    }
    event.properties = compact({ ...without(source, ['changed_fields', 'previous_data']), subscription_id: payload.subscription_id });
    const [, millisecond] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?)/.exec(source.date_updated ?? '') ?? [];
    const time = millisecond && isoOf(`${millisecond}Z`); // its times are UTC and do not say so
    return { events: [time ? { ...event, originalTimestamp: time } : event] };
}
