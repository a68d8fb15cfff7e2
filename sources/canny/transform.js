// Canny's webhooks: posts, comments and votes. https://developers.canny.io/webhooks
import { Dead, sha256 } from 'sluice';
import { eventFrom, externalIds, fill, objectOf } from '_lib/payload';
import { isObject, without, withoutNull } from '_lib/values';

const VOTES = new Set(['vote.created', 'vote.deleted']);
const ROWS = [
    ['type', 'event'],
    ['created', 'timestamp', 'originalTimestamp'],
];

export function transform(request) {
    const payload = objectOf(request);
    const role = VOTES.has(payload.type) ? 'voter' : 'author';
    const user = payload.object?.[role];
    if (!payload.type || !isObject(user) || !user.id || !(user.userID || user.email)) {
        throw new Dead(`a webhook of Canny has a type, and its ${role} an id and a userID or an email`);
    }
    const event = fill(eventFrom('Canny', { type: 'track' }), payload, ROWS);
    event.context.integration.version = '1.0.0';
    event.context.externalId = externalIds({ cannyUserId: user.id });
    event.context.traits = withoutNull(without(user, ['id', 'userID']));
    const who = user.userID ? { userId: user.userID } : { anonymousId: sha256(user.email) };
    return { events: [{ ...event, ...who, properties: { ...without(payload.object, [role]), objectType: payload.objectType } }] };
}
