// Looker: rows of a query, delivered by a schedule or an action to a webhook. https://cloud.google.com/looker/docs/reference/looker-api
// Each row is a call for the user that its columns name; "view.column" becomes "column".
import { Dead } from 'sluice';
import { eventFrom, objectOf } from '_lib/payload';
import { isObject } from '_lib/values';

const IDS = new Map(Object.entries({ user_id: 'userId', id: 'userId', rudder_anonymous_id: 'anonymousId', anonymous_id: 'anonymousId',
    rudder_group_id: 'groupId', group_id: 'groupId' }));
const MEMBERS = new Map(Object.entries({ identify: 'traits', group: 'traits', track: 'properties' }));

function rowsOf(payload) {
    const data = payload.attachment?.data ?? payload.data ?? payload.rows;
    let rows = data;
    if (typeof data === 'string') {
        try {
            rows = JSON.parse(data);
        } catch {
            rows = undefined;
        }
    }
    if (!Array.isArray(rows)) {
        throw new Dead('the query is delivered as JSON: attachment.data holds an array of rows');
    }
    return rows.filter(isObject);
}

function toEvent(row, type, name) {
    const event = eventFrom('Looker', { type });
    const fields = {};
    for (const [column, value] of Object.entries(row)) {
        const key = column.slice(column.indexOf('.') + 1);
        fields[key] = isObject(value) && 'value' in value ? value.value : value; // with formatting each cell is {value, rendered}
        const id = IDS.get(key);
        if (id !== undefined && fields[key] !== null && event[id] === undefined) {
            event[id] = String(fields[key]);
        }
    }
    if (event.userId === undefined && event.anonymousId === undefined && fields.email) {
        event.userId = fields.email;
    }
    if (type === 'track') {
        event.event = name;
    }
    return { ...event, [MEMBERS.get(type)]: fields };
}

export function transform(request, config) {
    const payload = objectOf(request);
    const type = payload.form_params?.call ?? config.call;
    const name = payload.form_params?.event ?? config.event;
    if (!MEMBERS.has(type)) {
        throw new Dead(`"call" is identify, group or track, not ${JSON.stringify(type)}`);
    }
    return { events: rowsOf(payload).map((row) => toEvent(row, type, name)) };
}
