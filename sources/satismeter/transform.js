// SatisMeter's answers to surveys.
import { Dead } from 'sluice';
import { eventFrom, fill, objectOf } from '_lib/payload';
import { copy, isObject, withoutEmpty } from '_lib/values';

const ROWS = [
    ['response.user.userId', 'userId'],
    ['response.user.id', 'anonymousId'],
    ['response.id', 'anonymousId'],
    ['traits', 'context.traits'],
    ['response.user.traits', 'context.traits'],
    ['response.user.email', 'context.traits.email'],
    ['response.user.name', 'context.traits.name'],
    ['response.user.deleted', 'context.traits.userDeleted'],
    ['response.user.groups', 'traits.groups'],
    ['response.language', 'context.locale'],
    ['campaign', 'context.campaign'],
    ['response.device', 'context.device'],
    ['response.referrer', 'context.page.referrer'],
    ['response.category', 'properties.category'],
    ['response.answers', 'properties.answers'],
    ['response.dismissed', 'properties.surveyDismissed'],
    ['response.pending', 'properties.surveyPending'],
    ['response.created', 'properties.receivedAt'],
];

export function transform(request) {
    const payload = objectOf(request);
    if (!payload.event) {
        throw new Dead('a webhook of SatisMeter has an event');
    }
    const event = fill(eventFrom('SATISMETER', { type: 'track', event: `Survey ${payload.event}` }), copy(payload), ROWS);
    if (isObject(payload.response?.location)) {
        event.context.location = withoutEmpty(payload.response.location);
    }
    return { events: [event] };
}
