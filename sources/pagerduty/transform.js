// PagerDuty's webhook subscriptions, version 3. https://developer.pagerduty.com/docs/webhooks-overview
import { Dead } from 'sluice';
import { eventFrom, fill, objectOf, secondOf, wordsOf } from '_lib/payload';

const ROWS = [
    ['id', 'messageId'],
    ['agent.id', 'userId'],
    ['agent', 'context.traits'],
    ['data', 'properties.data'],
    ['client', 'properties.client'],
    ['resource_type', 'properties.resourceType'],
];

export function transform(request, config, ctx) {
    const source = objectOf(request).event;
    if (!source?.event_type) {
        throw new Dead('a webhook of PagerDuty has an event with an event_type');
    }
    const event = fill(eventFrom('PagerDuty', { type: 'track', event: wordsOf(source.event_type) }), source, ROWS);
    if (event.userId === undefined) { // an integration did it
        event.anonymousId = ctx.uuid();
    }
    const time = secondOf(source.occurred_at);
    return { events: [time ? { ...event, originalTimestamp: time } : event] };
}
