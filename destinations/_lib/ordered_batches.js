// Batches that count events by user and device. A result's keep says {ids: whose it is, joins: whether it may share a request};
// limits: events_per_batch, bytes_per_batch, and users_devices_per_batch for the events of one id.
import { byteLength } from 'sluice';

class Batch {
    constructor(joins) {
        this.joins = joins;
        this.results = [];
        this.bytes = 0;
        this.counts = new Map();
    }

    takes(ids, bytes, limits) {
        return this.joins && this.results.length < limits.events_per_batch && this.bytes + bytes <= limits.bytes_per_batch
            && ids.every((id) => (this.counts.get(id) ?? 0) < limits.users_devices_per_batch);
    }

    add(result, ids, bytes) {
        this.results.push(result);
        this.bytes += bytes;
        for (const id of ids) {
            this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
        }
    }
}

// Lists of results. Those that do not join are alone; an id's later results never come before its earlier ones.
export function batchesOf(results, limits) {
    const batches = [];
    const lastOf = new Map();
    for (const result of results) {
        const { ids } = result.keep;
        const bytes = byteLength(JSON.stringify(result.request.json ?? {})) + 1;
        let at = Math.max(0, ...ids.map((id) => lastOf.get(id) ?? 0));
        while (at < batches.length && !(result.keep.joins && batches[at].takes(ids, bytes, limits))) {
            at += 1;
        }
        if (at === batches.length) {
            batches.push(new Batch(result.keep.joins));
        }
        batches[at].add(result, ids, bytes);
        ids.forEach((id) => lastOf.set(id, at));
    }
    return batches.map((batch) => batch.results);
}
