// Refiner's webhooks: who answered what, and for which account.
import { Dead } from 'sluice';
import { eventFrom, fill, objectOf } from '_lib/payload';
import { isEmpty, isObject, withoutNull } from '_lib/values';

const COMMON = [
    ['remote_id', 'userId'],
    ['response.received_at', 'originalTimestamp'],
    ['response.last_data_reception_at', 'originalTimestamp'],
    ['last_seen_at', 'originalTimestamp'],
];
const FORM = [
    ['form.uuid', 'context.formUuid'],
    ['form.name', 'context.formName'],
];
const IDENTIFY = [
    ['email', 'context.traits.email'],
    ['segments', 'context.traits.segments'],
    ['response.data', 'traits'],
];
const TRACK = [
    ['triggered_event', 'event'],
    ['form.uuid', 'properties.refiner_form_uuid'],
    ['form.name', 'properties.refiner_form_name'],
];

// Who has no id of one's own is known by the browser's, or by Refiner's.
function eventOf(payload, type, rows) {
    const event = fill(eventFrom('Refiner', { type }), payload, [...COMMON, ...rows]);
    return event.userId === undefined ? fill(event, payload, [['cookie_uuid', 'anonymousId'], ['uuid', 'anonymousId']]) : event;
}

function trackOf(payload) {
    const event = eventOf(payload, 'track', [...FORM, ...TRACK]);
    if (isObject(payload.response)) {
        event.properties = { ...event.properties, response: withoutNull(payload.response) };
    }
    return event;
}

function groupsOf(payload) {
    if (isEmpty(payload.account?.remote_id)) {
        return [];
    }
    const attributes = isObject(payload.account.attributes) ? withoutNull(payload.account.attributes) : {};
    return [{ ...eventOf(payload, 'group', [['account.remote_id', 'groupId']]), traits: attributes }];
}

export function transform(request) {
    const payload = objectOf(request);
    if (!payload.triggered_event) {
        throw new Dead('a webhook of Refiner has a triggered_event');
    }
    return { events: [eventOf(payload, 'identify', [...FORM, ...IDENTIFY]), trackOf(payload), ...groupsOf(payload)] };
}
