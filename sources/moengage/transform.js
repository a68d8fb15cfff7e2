// MoEngage: events in our own format, one or a batch; or as its Streams send them. https://www.moengage.com/docs/api/data/moengage-streams
import { eventFrom, fill, isoOfSeconds, objectOf } from '_lib/payload';
import { isObject } from '_lib/values';

const ROWS = [
    ['event_name', 'event'],
    ['uid', 'userId'],
    ['event_uuid', 'messageId'],
    ['event_attributes', 'properties'],
    ['user_attributes', 'context.traits'],
    ['device_attributes', 'context.device'],
];

function fromStream(payload, ctx) {
    const event = fill(eventFrom('MoEngage', { type: 'track' }), payload, ROWS);
    if (event.userId === undefined) {
        event.anonymousId = ctx.uuid();
    }
    const time = isoOfSeconds(payload.event_time);
    return time ? { ...event, originalTimestamp: time, timestamp: time } : event;
}

export function transform(request, config, ctx) {
    const payload = objectOf(request);
    if (payload.source === 'MOENGAGE' && Array.isArray(payload.events)) {
        return { events: payload.events.filter(isObject).map((event) => fromStream(event, ctx)) };
    }
    return { events: Array.isArray(payload.batch) ? payload.batch.filter(isObject) : [payload] };
}
