// MoEngage's streams in our own format: one event, or a batch of them.
import { objectOf } from '_lib/payload';
import { isObject } from '_lib/values';

export function transform(request) {
    const payload = objectOf(request);
    return { events: Array.isArray(payload.batch) ? payload.batch.filter(isObject) : [payload] };
}
