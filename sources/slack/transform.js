// Slack's Events API. https://docs.slack.dev/reference/events
import { Dead, sha256 } from 'sluice';
import { eventFrom, externalIds, isoOfSeconds, objectOf, wordsOf } from '_lib/payload';
import { get, number } from '_lib/values';

const UUID_CHARACTERS = 36;
const IDENTIFY = new Set(['team_join', 'user_change']);
// Who it was: files, changed messages and new channels say it elsewhere.
const USERS = ['user.id', 'user', 'user_id', 'message.user', 'channel.creator'];

export function transform(request) {
    const payload = objectOf(request);
    if (payload.challenge !== undefined) { // proves that the URL is ours
        return { answer: { type: 'application/json', body: JSON.stringify({ challenge: payload.challenge }) } };
    }
    const source = payload.event;
    const user = USERS.map((path) => get(source ?? {}, path)).find((id) => typeof id === 'string' && id !== '');
    if (!source?.type || user === undefined) {
        throw new Dead('an event of Slack has a type and a user');
    }
    const event = eventFrom('SLACK', { type: IDENTIFY.has(source.type) ? 'identify' : 'track', event: wordsOf(source.type) });
    event.context.externalId = externalIds({ slackUserId: user });
    event.anonymousId = sha256(user).slice(0, UUID_CHARACTERS);
    event.properties = source;
    const time = isoOfSeconds(number(source.ts) ?? number(source.event_ts) ?? number(payload.event_time));
    return { events: [time ? { ...event, originalTimestamp: time, sentAt: time } : event] };
}
