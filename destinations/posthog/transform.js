// PostHog: every event is a capture; many go in one /batch.
import { Dead, byteLength, each } from 'sluice';
import { batchesOf } from '_lib/ordered_batches';
import { browser, system } from '_lib/user_agent';

const HOST = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#]+)/i;

// What is read out of other properties.
function derived(properties) {
    const agent = properties.$useragent;
    const { name, version } = browser(agent) ?? {};
    const [, host] = HOST.exec(properties.$current_url ?? '') ?? [];
    return {
        ...(!properties.$os && system(agent) && { $os: system(agent) }),
        ...(name && { $browser: name, $browser_version: version }),
        ...(host && { $host: host }),
        ...(properties.$group_type && { $groups: { [properties.$group_type]: properties.$group_key } }),
    };
}

const idsOf = ({ properties }) => [properties.distinct_id, properties.alias, properties.$anon_distinct_id].filter(Boolean);

export const transform = each(({ draft: { body }, metadata }, config, ctx) => {
    const json = { ...body, properties: { ...body.properties, ...derived(body.properties) } };
    // larger ones do not pass PostHog's ingestion: https://posthog.com/docs/api/capture
    if (byteLength(JSON.stringify(json)) > ctx.limits.event_bytes) {
        throw new Dead(`the event is larger than the ${ctx.limits.event_bytes} bytes that PostHog takes`);
    }
    const url = `${config.yourInstance.replace(/\/+$/, '')}/batch`;
    return { request: { url, json }, keep: { ids: idsOf(json), joins: !metadata?.dontBatch } };
});

function merged(results) {
    const [{ request: { url, json: { api_key: key } } }] = results;
    const events = results.map(({ request: { json: { api_key: _, ...event } } }) => event);
    return { events: results.flatMap((result) => result.events), request: { url, json: { api_key: key, batch: events } } };
}

// https://posthog.com/docs/api/capture#batch-events: so many bytes, however many events and of whom
export const batch = (results, config, { limits }) => batchesOf(results, {
    bytes_per_batch: limits.body_bytes, events_per_batch: Infinity, users_devices_per_batch: Infinity,
}).map(merged);
