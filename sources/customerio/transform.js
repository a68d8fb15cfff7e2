// Customer.io's reporting webhooks. https://customer.io/docs/journeys/webhooks/
import { eventFrom, fill, isoOfSeconds, objectOf } from '_lib/payload';

const OBJECTS = new Map(Object.entries({ customer: 'Customer', email: 'Email', push: 'Push', slack: 'Slack Message', sms: 'SMS',
    webhook: 'Webhook Message', in_app: 'In-App Message', whatsapp: 'WhatsApp Message' }));
const METRICS = new Map(Object.entries({ attempted: 'Attempted', bounced: 'Bounced', clicked: 'Link Clicked', converted: 'Converted',
    deferred: 'Deferred', delivered: 'Delivered', drafted: 'Drafted', dropped: 'Dropped', failed: 'Failed', opened: 'Opened', sent: 'Sent',
    spammed: 'Marked as Spam', subscribed: 'Subscribed', undeliverable: 'Undeliverable', unsubscribed: 'Unsubscribed' }));
const ROWS = [
    ['event_id', 'properties.eventId'],
    ['data.event_id', 'properties.eventId'],
    ['data.delivery_id', 'properties.deliveryId'],
    ['data.action_id', 'properties.actionId'],
    ['data.broadcast_id', 'properties.broadcastId'],
    ['data.campaign_id', 'properties.campaignId'],
    ['data.content_id', 'properties.contentId'],
    ['data.newsletter_id', 'properties.newsletterId'],
    ['data.transactional_message_id', 'properties.transactionalMessageId'],
    ['data.content', 'properties.content'],
    ['data.subject', 'properties.emailSubject'],
    ['data.failure_message', 'properties.reason'],
    ['data.href', 'properties.link.url'],
    ['data.link_id', 'properties.link.id'],
    ['data.recipients', 'properties.recipients'],
    ['data.device_id', 'properties.deviceId'],
    ['data.device_platform', 'properties.devicePlatform'],
    ['data.customer_id', 'userId'],
    ['data.identifiers.id', 'userId'],
    ['data.identifiers.cio_id', 'context.traits.cioId'],
    ['data.email_address', 'context.traits.email'],
    ['data.recipient', 'context.traits.email'],
    ['data.identifiers.email', 'context.traits.email'],
];

export function transform(request) {
    const payload = objectOf(request);
    const object = OBJECTS.get(payload.object_type);
    const metric = METRICS.get(payload.metric);
    const event = eventFrom('Customer.io', { type: 'track', event: object && metric ? `${object} ${metric}` : 'Unknown Event' });
    fill(event, payload, ROWS);
    const time = isoOfSeconds(payload.timestamp);
    if (time) {
        Object.assign(event, { originalTimestamp: time, sentAt: time });
    }
    if (!event.userId && event.context.traits?.email) {
        event.anonymousId = event.context.traits.email;
    }
    return { events: [event] };
}
