// monday.com's board webhooks.
import { Dead, sha256 } from 'sluice';
import { eventFrom, externalIds, fill, objectOf, wordsOf } from '_lib/payload';
import { isEmpty, without } from '_lib/values';

const UUID_CHARACTERS = 36;
const ROWS = [
    ['triggerTime', 'timestamp', 'originalTimestamp'],
];

export function transform(request) {
    const payload = objectOf(request);
    if (payload.challenge !== undefined) { // proves that the URL is ours
        return { answer: { type: 'application/json', body: JSON.stringify(payload) } };
    }
    const source = payload.event;
    if (!source?.type || isEmpty(source.userId)) {
        throw new Dead('an event of monday.com has a type and a userId');
    }
    const event = fill(eventFrom('MONDAY', { type: 'track', event: wordsOf(source.type) }), source, ROWS);
    event.context.externalId = externalIds({ mondayUserId: source.userId });
    event.anonymousId = sha256(source.userId).slice(0, UUID_CHARACTERS);
    event.properties = without(source, ['userId', 'triggerTime']);
    return { events: [event] };
}
