// Iterable's system webhooks. https://support.iterable.com/hc/en-us/articles/208013936-System-Webhooks
import { Dead, md5 } from 'sluice';
import { eventFrom, fill, isoOf, objectOf } from '_lib/payload';
import { isEmpty, without } from '_lib/values';

const ROWS = [
    ['eventName', 'event'],
    ['userId', 'userId'],
    ['email', 'context.traits.email'],
    ['dataFields.email', 'context.traits.email'],
];

export function transform(request) {
    const payload = objectOf(request);
    const event = fill(eventFrom('Iterable', { type: 'track' }), payload, ROWS);
    event.context.integration.version = '1.0.0';
    const email = event.context.traits?.email;
    if (!event.event || (!event.userId && !email)) {
        throw new Dead('a webhook of Iterable has an eventName, and a userId or an email');
    }
    event.userId ??= md5(email);
    const time = isoOf(payload.dataFields?.createdAt);
    if (time) {
        Object.assign(event, { timestamp: time, receivedAt: time });
    }
    const properties = without(payload.dataFields ?? {}, ['email']);
    if (!isEmpty(properties)) {
        event.properties = properties;
    }
    return { events: [event] };
}
