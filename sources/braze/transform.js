// Braze Currents over its HTTP connector. https://www.braze.com/docs/user_guide/data/braze_currents/event_glossary
import { Dead } from 'sluice';
import { eventFrom, eventsOf, fill, isoOfSeconds, objectOf } from '_lib/payload';
import { isEmpty, isObject, pairs, without } from '_lib/values';

const ROWS = [
    ['id', 'messageId'],
    ['user.external_user_id', 'userId'],
    ['user.user_id', 'anonymousId'],
    ['user.device_id', 'context.device.id'],
    ['user.timezone', 'context.timezone'],
    ['properties.device_model', 'context.device.model'],
    ['properties.ad_id', 'context.device.advertisingId'],
    ['properties.ad_tracking_enabled', 'context.device.adTrackingEnabled'],
    ['properties.os_version', 'context.os.version'],
    ['properties.platform', 'context.os.name'],
    ['properties.user_agent', 'context.userAgent'],
    ['properties.email_address', 'traits.email'],
];
const MAPPED = ROWS.map(([from]) => from.split('.')).filter(([root, name]) => root === 'properties' && name).map(([, name]) => name);

function toEvent(payload, names) {
    if (!isObject(payload)) {
        throw new Dead('an event of Braze is an object');
    }
    const name = payload.event_type;
    const event = fill(eventFrom('Braze', { type: 'track', event: names.get(name) ?? name }), payload, ROWS);
    if (!event.userId && !event.anonymousId) {
        throw new Dead('an event of Braze has a user with user_id or external_user_id');
    }
    const timestamp = isoOfSeconds(payload.time);
    if (timestamp) {
        event.timestamp = timestamp;
    }
    const properties = without(payload.properties ?? {}, MAPPED);
    if (!isEmpty(properties)) {
        event.properties = properties;
    }
    return event;
}

export function transform(request, config) {
    const payloads = Array.isArray(request.json) ? request.json[0]?.events : objectOf(request).events;
    if (!Array.isArray(payloads)) {
        throw new Dead('Braze sends {"events": [...]}');
    }
    const names = new Map(Object.entries(pairs(config.customMapping, { lower: false })));
    return { events: eventsOf(payloads, (payload) => toEvent(payload, names)) };
}
