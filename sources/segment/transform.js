// Segment's webhook destination: its payloads are events already. https://segment.com/docs/connections/destinations/catalog/webhooks/
import { listOf } from '_lib/payload';
import { isObject } from '_lib/values';

export function transform(request) {
    const payloads = listOf(request).flatMap((payload) => (Array.isArray(payload?.batch) ? payload.batch : [payload]));
    return { events: payloads.filter(isObject).map((event) => ({ ...event, context: event.context ?? {} })) };
}
