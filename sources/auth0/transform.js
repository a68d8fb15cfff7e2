// Auth0's log streams to a custom webhook. https://auth0.com/docs/customize/log-streams/custom-log-streams
import { eventFrom, fill, listOf } from '_lib/payload';
import { NAMES } from '_lib/auth0_names';
import { isObject } from '_lib/values';

const ROWS = [
    ['date', 'sentAt', 'originalTimestamp'],
    ['user_id', 'userId', 'context.traits.userId'],
    ['user_agent', 'context.userAgent'],
    ['ip', 'context.ip', 'context.request_ip'],
    ['details.auth.user.email', 'context.traits.email'],
    ['details.auth.user.name', 'context.traits.name'],
    ['log_id', 'properties.log_id'],
    ['details', 'properties.details'],
    ['client_id', 'properties.client_id'],
    ['client_name', 'properties.client_name'],
    ['description', 'properties.description'],
    ['auth0_client', 'properties.auth0_client'],
    ['isMobile', 'properties.is_mobile'],
    ['type', 'properties.source_type'],
];
const SIGNED_UP = [
    ['connection', 'traits.connection'],
    ['connection_id', 'traits.connection_id'],
    ['user_name', 'context.traits.user_name'],
];

function kindOf(entry) {
    if (entry.type === 'ss') {
        return fill(eventFrom('Auth0', { type: 'identify' }), entry, SIGNED_UP);
    }
    if (entry.type === 'sapi' && entry.description === 'Add members to an organization') {
        const [, groupId] = /\/organizations\/([^/]+)/.exec(entry.details?.request?.path ?? '') ?? [];
        return groupId ? eventFrom('Auth0', { type: 'group', groupId }) : null;
    }
    return eventFrom('Auth0', { type: 'track', event: Object.hasOwn(NAMES, entry.type) ? NAMES[entry.type] : entry.type });
}

function toEvent(log, ctx) {
    const entry = isObject(log.data) ? { log_id: log.log_id, ...log.data } : log;
    const event = entry.type ? kindOf(entry) : null;
    if (event === null) {
        return null;
    }
    event.anonymousId = ctx.uuid();
    return fill(event, entry, ROWS);
}

export function transform(request, config, ctx) {
    const logs = listOf(request).flatMap((log) => (Array.isArray(log?.logs) ? log.logs : [log]));
    return { events: logs.filter(isObject).map((log) => toEvent(log, ctx)).filter((event) => event !== null) };
}
