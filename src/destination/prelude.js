// Runs a destination's transform.js on a batch: the module that the engine calls. It gives rows [input, kind, value]
// (kinds: 0 a result, 3 run this event again by itself); C checks and completes what the results say (code_read.c).
import { ask, digest } from 'sluice:host';
import { Retry, refusal } from 'sluice';
import * as code from 'transform';

const RESULT = 0;
const AGAIN = 3;
const SHOWN = 120; // characters of a wrong value

// ---- ctx ----

// Numbers that look random and are the same for the same seed.
function source(seed) {
    let count = 0;
    return () => digest('sha256', `${seed}:${count++}`);
}

function uuidOf(hash) {
    const variant = '89ab'[parseInt(hash[16], 16) % 4];
    return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-4${hash.slice(13, 16)}-${variant}${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}

function parsed(text) {
    try {
        return JSON.parse(text);
    } catch (_) {
        return text;
    }
}

async function http(request) {
    const answer = await ask('http', [request ?? null]);
    if (answer.wrong !== undefined) {
        throw new Error(answer.wrong);
    }
    if (answer.error !== undefined) {
        throw new Retry(answer.error);
    }
    return { status: answer.status, headers: answer.headers, body: parsed(answer.body) };
}

class Context {
    constructor(seeds, common, given) {
        this.now = common.now;
        this.limits = { ...common.limits, ...common.staged };
        this.http = http;
        this.of = (index) => new Context([seeds[index]], common, given);
        let next = null;
        const hash = () => {
            next = next ?? source(seeds.join());
            return next();
        };
        this.uuid = () => (given.uuids.length > 0 ? given.uuids[given.used++ % given.uuids.length] : uuidOf(hash()));
        this.random = () => given.random ?? parseInt(hash().slice(0, 13), 16) / 2 ** 52;
    }
}

// ---- what came back ----

function show(value) {
    let text;
    try {
        text = typeof value === 'function' ? 'a function' : JSON.stringify(value) ?? String(value);
    } catch (_) {
        text = 'something that has no JSON';
    }
    return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

const WANTED = '{events: [indexes of events], request | dead | filtered | retry | throttled | auth}';

const isIndex = (value, count) => Number.isInteger(value) && value >= 0 && value < count;

// why a result names no events of this batch, or ''
function wrong(result, count) {
    if (typeof result !== 'object' || result === null) {
        return `the code returned ${show(result)} as a result; allowed are ${WANTED}`;
    }
    if (!Array.isArray(result.events) || result.events.length === 0 || !result.events.every((at) => isIndex(at, count))) {
        return `the code returned a result with events ${show(result.events)}; allowed are indexes below ${count}`;
    }
    return '';
}

function rows(results, meta) {
    if (!Array.isArray(results)) {
        const text = `the code returned ${show(results)}; allowed is a list of ${WANTED}`;
        return [[RESULT, { odd: text }]];
    }
    return results.map((result) => {
        const odd = wrong(result, meta.length);
        return [RESULT, odd === '' ? { ...result, events: result.events.map((at) => meta[at].at) } : { odd }];
    });
}

// ---- a batch ----

function listed(results, name) {
    if (!Array.isArray(results)) {
        throw new Error(`${name}() returned ${show(results)}; allowed is a list of results`);
    }
    return results;
}

async function gathered(results, config, ctx) {
    const wanted = listed(results, 'transform').filter((result) => result?.request !== undefined);
    const others = results.filter((result) => result?.request === undefined);
    return wanted.length === 0 ? others : [...listed(await code.batch(wanted, config, ctx), 'batch'), ...others];
}

async function transformAll(messages, meta, common) {
    const events = messages.map((message, i) => {
        const { draft, metadata, connection } = meta[i];
        return { message, draft, metadata, connection };
    });
    const seeds = events.map(({ message, metadata }) => String(message.messageId ?? metadata.messageId ?? JSON.stringify(message)));
    const ctx = new Context(seeds, common, { uuids: common.uuids ?? [], random: common.random, used: 0 });
    try {
        const results = await code.transform(events, common.config, ctx);
        return rows(common.batch && code.batch ? await gathered(results, common.config, ctx) : results, meta);
    } catch (error) {
        if (error?.outcome === undefined && events.length > 1) {
            return events.map(() => [AGAIN, null]);
        }
        return [[RESULT, { ...refusal(error), events: meta.map(({ at }) => at) }]];
    }
}

// ---- an answer ----

function formOf(text) {
    const decode = (part) => decodeURIComponent(part.replaceAll('+', ' '));
    return Object.fromEntries(text.split('&').map((pair) => {
        const [name, ...rest] = pair.split('=');
        return [decode(name), decode(rest.join('='))];
    }));
}

async function judgeAnswer({ response, request }, config) {
    if (typeof code.outcome !== 'function') {
        return [[RESULT, {}]];
    }
    const sent = {
        ...request,
        form: request.form === undefined ? undefined : formOf(request.form),
        events: Array.from({ length: request.events }, (_, i) => i),
    };
    try {
        return [[RESULT, { verdict: await code.outcome({ ...response, body: parsed(response.body) }, sent, config) }]];
    } catch (error) {
        return [[RESULT, { odd: `outcome() failed: ${refusal(error).dead ?? error.message}` }]];
    }
}

// ---- called by the engine ----

export async function main(messages, meta, common) {
    const list = common.judge ? await judgeAnswer(common.judge, common.config) : await transformAll(messages, meta, common);
    const can = ['batch', 'outcome'].filter((name) => typeof code[name] === 'function');
    return [[-1, RESULT, { can }], ...list.map(([kind, value], i) => [kind === AGAIN ? i : 0, kind, value])];
}
