// Ortto's webhooks: an activity of a contact.
import { eventFrom, externalIds, fill, objectOf, secondOf } from '_lib/payload';
import { flatten, isObject, without } from '_lib/values';

const EVENTS = new Map([['act::s-all', 'Resubscribe globally']]);
const TEST = 'act::test_webhook';
const ROWS = [
    ['id', 'messageId'],
    ['contact.external_id', 'userId'],
    ['contact.email', 'context.traits.email'],
    ['contact.first_name', 'context.traits.firstName'],
    ['contact.last_name', 'context.traits.lastName'],
    ['contact.city.name', 'context.traits.address.city'],
    ['contact.country.name', 'context.traits.address.country'],
    ['contact.postal_code', 'context.traits.address.postalCode'],
    ['contact.region.name', 'context.traits.address.state'],
];
const MAPPED = ['id', 'time', 'activity.field_id', 'contact.external_id', 'contact.contact_id', 'contact.email', 'contact.first_name',
    'contact.last_name', 'contact.city.name', 'contact.country.name', 'contact.postal_code', 'contact.region.name', 'contact.birthday.year',
    'contact.birthday.month', 'contact.birthday.day', 'contact.phone_number.c', 'contact.phone_number.n'];

const two = (value) => String(value).padStart(2, '0');

function addContact(event, contact) {
    const { birthday, phone_number: phone } = contact;
    const traits = {};
    if (birthday?.year && birthday.month && birthday.day) {
        traits.birthday = `${birthday.year}-${two(birthday.month)}-${two(birthday.day)}`;
    }
    if (phone?.n) {
        traits.phone = `${phone.c ?? ''}${phone.n}`;
    }
    if (Object.keys(traits).length > 0) {
        event.context.traits = { ...event.context.traits, ...traits };
    }
    event.context.externalId = externalIds({ orttoPersonId: contact.contact_id });
}

export function transform(request, config, ctx) {
    const payload = objectOf(request);
    if (payload.activity?.field_id === TEST) { // its test wants to be echoed
        return { answer: { type: 'application/json', body: JSON.stringify(payload) } };
    }
    const name = EVENTS.get(payload.activity?.field_id) ?? 'custom event triggered';
    const event = fill(eventFrom('ortto', { type: 'track', event: name }), payload, ROWS);
    if (isObject(payload.contact)) {
        addContact(event, payload.contact);
    }
    if (event.userId === undefined) {
        event.anonymousId = ctx.uuid();
    }
    const time = secondOf(payload.time);
    return { events: [{ ...event, ...(time && { originalTimestamp: time }), properties: without(flatten(payload), MAPPED) }] };
}
