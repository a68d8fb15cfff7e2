// Runs a source's transform.js on one webhook: the module that the engine calls. It gives one row whose value is
// {batch, answer} or {refused}; what source/run.c reads.
import { digest } from 'sluice:host';
import { refusal } from 'sluice';
import { transform } from 'transform';

const RESULT = 0;
const SHOWN = 120; // characters of a wrong value

function uuidOf(hash) {
    const variant = '89ab'[parseInt(hash[16], 16) % 4];
    return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-4${hash.slice(13, 16)}-${variant}${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}

function contextOf({ now, uuids, seed, source }) {
    let used = 0;
    return { now, source, uuid: () => (uuids ? uuids[used++ % uuids.length] : uuidOf(digest('sha256', `${seed}:${used++}`))) };
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

function wrong(result) {
    if (!isObject(result)) {
        return `the code returned ${String(JSON.stringify(result)).slice(0, SHOWN)}; allowed is {events: [events], answer: {type, body}}`;
    }
    const odd = (result.events ?? []).find?.((event) => !isObject(event));
    if (result.events !== undefined && (!Array.isArray(result.events) || odd !== undefined)) {
        return 'the code returned events that are no list of objects';
    }
    const answer = result.answer;
    const good = answer === undefined || (typeof answer.type === 'string' && typeof answer.body === 'string');
    return good ? '' : 'the code returned an answer without type and body';
}

async function outcome(request, common) {
    try {
        const result = await transform(request, common.config, contextOf(common));
        const refused = wrong(result);
        return refused === '' ? { batch: result.events ?? [], answer: result.answer } : { refused };
    } catch (error) {
        return { refused: Object.values(refusal(error))[0] };
    }
}

// Called by the engine.
export async function main(requests, meta, common) {
    return [[0, RESULT, await outcome(requests[0], common)]];
}
