// Google Analytics 4, its second edition: track events are what the mapping of the settings makes of them; events that it
// does not name go under their own name, with all their properties.
import { Dead, each } from 'sluice';
import { addSession, collect, custom, envelope, eventName, group, optionsOf, page, prepare } from '_lib/ga4';
import { typeOf } from '_lib/event';
import { isObject } from '_lib/values';
import { goesToEach, parsePath, readPath, writePath } from '_lib/json_path';

const GROUPS = { page, group };

function pathOf(text) {
    const steps = parsePath(text);
    if (steps === undefined) {
        throw new Dead(`the mapping has no path of the form $.a.b[0].c[*]: ${text}`);
    }
    return steps;
}

function rowsOf(config) {
    return (config.eventsMapping ?? []).filter((row) => row.rsEventName && row.destEventName).map((row) => ({
        from: row.rsEventName.trim(), to: row.destEventName.trim(),
        properties: (row.eventProperties ?? []).filter((pair) => pair.from && pair.to),
    }));
}

// The mapping writes anywhere in the body: its paths begin there.
function mapped({ message, draft }, { config, to }, row) {
    const options = optionsOf(message);
    const body = { ...envelope(message, config, draft.body, options), events: [{ name: eventName(row.to), params: {} }] };
    const writes = row.properties.map((pair) => ({ path: pathOf(pair.to), value: readPath(message, pathOf(pair.from)) }));
    const isLate = ({ path, value }) => goesToEach(path, value);
    for (const { path, value } of [...writes.filter((write) => !isLate(write)), ...writes.filter(isLate)]) {
        writePath(body, path, value);
    }
    const event = isObject(body.events?.[0]) ? body.events[0] : {};
    if (!isObject(event.params)) {
        throw new Dead('the mapping leaves no event with parameters');
    }
    addSession(event.params, config, options);
    return { ...to, json: body };
}

const one = each((input, setup) => {
    const { message } = input;
    const type = typeOf(message);
    if (type !== 'track') {
        return collect(input, setup, GROUPS[type](message));
    }
    const rows = setup.rows.filter((row) => row.from === message.event);
    if (rows.length > 0) {
        return rows.map((row) => mapped(input, setup, row));
    }
    return collect(input, setup, custom(eventName(message.event), message.properties));
});

export const transform = (events, config, ctx) => one(events, { ...prepare(config), rows: rowsOf(config) }, ctx);
