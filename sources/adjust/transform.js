// Adjust's server callbacks: everything is in the query, whose names the user chooses among the placeholders.
// https://help.adjust.com/en/article/recommended-placeholders-callbacks
import { Dead } from 'sluice';
import { eventFrom, fill, isoOf, isoOfSeconds } from '_lib/payload';
import { isEmpty, number, without, withoutEmpty } from '_lib/values';

const ROWS = [
    ['event_name', 'event'],
    ['activity_kind', 'event', 'properties.activity_kind'],
    ['ip_address', 'context.ip'],
    ['user_agent', 'context.userAgent'],
    ['language', 'context.locale'],
    ['timezone', 'context.timezone'],
    ['os_name', 'context.os.name'],
    ['os_version', 'context.os.version'],
    ['device_name', 'context.device.name'],
    ['device_model', 'context.device.model'],
    ['device_manufacturer', 'context.device.manufacturer'],
    ['device_type', 'context.device.type'],
    ['app_name', 'context.app.name'],
    ['app_version', 'context.app.version'],
    ['isp', 'context.network.carrier'],
];
const MAPPED = [...ROWS.map(([from]) => from), 'created_at', 'writeKey'];

// Seconds since 1970, or a text where the callback is made so.
function timeOf(created) {
    const time = isoOfSeconds(number(created)) ?? (/^\d{4}-\d\d-\d\d[T ]/.test(created) ? isoOf(created) : undefined);
    if (time === undefined) {
        throw new Dead(`created_at is no time: ${JSON.stringify(created)}`);
    }
    return time;
}

export function transform(request, config, ctx) {
    const payload = withoutEmpty(Object.fromEntries(Object.entries(request.query).map(([name, [value]]) => [name, value])));
    if (isEmpty(without(payload, ['writeKey']))) {
        throw new Dead('a callback of Adjust has its data in the query');
    }
    const event = fill(eventFrom('Adjust', { type: 'track', anonymousId: ctx.uuid() }), payload, ROWS);
    if (event.event === undefined) {
        throw new Dead('a callback of Adjust has an event_name or an activity_kind');
    }
    const time = payload.created_at === undefined ? undefined : timeOf(payload.created_at);
    return { events: [{ ...event, ...(time && { originalTimestamp: time, timestamp: time }), properties: { ...event.properties, ...without(payload, MAPPED) } }] };
}
