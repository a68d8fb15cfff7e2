// Mailmodo's webhooks: journeys that are triggered, and forms that are filled in.
import { Dead, sha256 } from 'sluice';
import { eventFrom, externalIds, isoOfSeconds, objectOf } from '_lib/payload';
import { first, flatten, isEmpty, isObject } from '_lib/values';

const FORMS = ['', 'triggerData.formSubmissionData.'];
const MAPPED = ['triggerData.email', 'triggerData.userId', ...FORMS.flatMap((form) => ['recipientEmail', 'recordedAt.ts', 'recordedAt.date',
    'recordedAt.hour', 'recordedAt.minute'].map((name) => form + name))];
const RECIPIENT = 'recipientData.';

function propertiesOf(payload) {
    return Object.fromEntries(Object.entries(flatten(payload))
        .filter(([key, value]) => !MAPPED.includes(key) && !key.startsWith(RECIPIENT) && !isEmpty(value)));
}

export function transform(request) {
    const payload = objectOf(request);
    const email = first(payload, ['triggerData.email', 'recipientData.email', ...FORMS.map((form) => `${form}recipientEmail`)]);
    if (!email) {
        throw new Dead('a webhook of Mailmodo has an email or a recipientEmail');
    }
    const event = eventFrom('Mailmodo', { type: 'track', event: payload.triggerData?.triggerSource || 'Form Submitted' });
    event.context.integration.version = '1.0.0';
    event.context.traits = { ...(isObject(payload.recipientData) ? payload.recipientData : {}), email };
    const ids = externalIds({ mailmodoUserId: payload.triggerData?.userId });
    if (ids.length > 0) {
        event.context.externalId = ids;
    }
    event.anonymousId = sha256(email);
    const time = isoOfSeconds(first(payload, FORMS.map((form) => `${form}recordedAt.ts`)));
    return { events: [{ ...event, ...(time && { originalTimestamp: time }), properties: propertiesOf(payload) }] };
}
