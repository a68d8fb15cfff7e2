// Cordial's event streams: a contact and what it did.
import { Dead } from 'sluice';
import { eventFrom, eventsOf, externalIds, fill, listOf } from '_lib/payload';
import { isObject, without } from '_lib/values';

const EVENTS = new Map([
    ['crdl_app_install', 'Application Installed'],
    ['crdl_app_open', 'Application Opened'],
]);
const ROWS = [
    ['contact._id', 'userId', 'context.traits.userId'],
    ['contact.channels.email.address', 'context.traits.email'],
    ['event.d', 'context.device'],
    ['event._id', 'properties.event_id'],
    ['event.ts', 'originalTimestamp', 'timestamp', 'sentAt'],
];

function toEvent(payload) {
    const source = payload?.event;
    const action = source?.action ?? source?.a;
    if (!action || !isObject(payload.contact)) {
        throw new Dead('an event of Cordial has a contact, and an event with an action');
    }
    const event = fill(eventFrom('Cordial', { type: 'track', event: EVENTS.get(action) ?? action }), payload, ROWS);
    event.context.traits = { ...event.context.traits, ...payload.contact };
    event.context.externalId = externalIds({ cordialContactId: payload.contact.cID ?? source.cID });
    const own = isObject(source.properties) ? source.properties : {};
    event.properties = { ...event.properties, ...own, ...without(source, ['_id', 'd', 'properties']) };
    return event;
}

export function transform(request) {
    return { events: eventsOf(listOf(request), toEvent) };
}
