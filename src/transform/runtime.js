// What a transformation finds around it: its API, and the loop that calls it. Runs in the context of one version of one
// transformation, before its code, and takes everything it needs of the language then: whatever user code does to
// globals and prototypes afterwards harms only itself. The worker (C) calls the functions returned at the end; each
// gets and gives text.
(function (host) {
    'use strict';

    const world = globalThis; // the name itself can be deleted
    const { parse, stringify } = JSON;
    const { apply, ownKeys } = Reflect;
    const { isArray } = Array;
    const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, keys: keysOf, seal: sealed } = Object;
    const PromiseOf = Promise;
    const MapOf = Map;
    const ErrorOf = Error;
    const StringOf = String;
    const promiseThen = Promise.prototype.then;
    const promiseResolve = Promise.resolve;
    const mapGet = Map.prototype.get;
    const mapSet = Map.prototype.set;
    const mapDelete = Map.prototype.delete;
    const toText = Object.prototype.toString;
    const split = String.prototype.split;
    const slice = String.prototype.slice;
    const functionText = Function.prototype.toString;
    const lastIndexOf = String.prototype.lastIndexOf;
    const startsWith = String.prototype.startsWith;
    const { TypeError: TypeErrorOf } = globalThis;

    const ERROR_CHARS = 4000;
    const LOG_CHARS = 65536;
    const WALK_DEPTH = 160; // the server reads no deeper than 192
    const TOO_DEEP = {};
    const ALL = -1; // a row of the whole batch, or an output that belongs to no input
    const METADATA = ['sourceId', 'sourceName', 'workspaceId', 'sourceType', 'sourceCategory', 'destinationId',
        'destinationType', 'destinationName', 'namespace', 'originalSourceId', 'trackingPlanId', 'trackingPlanVersion',
        'sourceTpConfig', 'mergedTpConfig', 'jobId', 'sourceJobId', 'sourceJobRunId', 'sourceTaskRunId', 'recordId',
        'messageId', 'messageIds', 'rudderId', 'receivedAt', 'eventName', 'eventType', 'sourceDefinitionId',
        'destinationDefinitionId', 'transformationId', 'transformationVersionId'];

    let call = null; // the batch being worked on
    let ended = null; // batches whose results are not taken yet, oldest first, linked by `next`; the last of them
    let endedLast = null;
    let several = false; // that are judged together
    let verdict = null; // of the guard, on all of them
    let taking = false;
    const newCall = ({ limit, logs, credentials, common, meta, events }) => ({
        limit, logs, credentials, common, meta, events, // the server's
        mode: '', // the entry function's name
        first: null, last: null, plain: 0, // results
        logText: '',
        rows: '', // their text, when it is written before the others'
        text: '', // the whole answer, the same
        current: ALL, // the event that runs
        pending: 0, asked: 0, asks: null, waiting: [], // promises
        ids: null, messageIds: [],
        writing: false, single: false, next: null,
    });
    const modules = [];
    let symbols = false; // the code may make some
    let ours = null; // the entry of a destination's modules, which are instantiated once
    let kind = 'transformation'; // script (a function transform), destination

    // ---- errors as text ----

    function positive(text) {
        const n = +text;
        return n > 0 ? n : 0;
    }

    // JavaScriptCore's "name@file:line:column" as "    at name (file:line:column)"; '' for frames that are not the user's
    function frame(line) {
        if (apply(startsWith, line, ['    at '])) {
            return line; // of a stack that the code has written itself
        }
        const at = apply(lastIndexOf, line, ['@']);
        const where = at < 0 ? line : apply(slice, line, [at + 1]);
        const name = at < 0 ? '' : apply(slice, line, [0, at]);
        const column = apply(lastIndexOf, where, [':']);
        const row = column > 0 ? apply(lastIndexOf, where, [':', column - 1]) : -1;
        const number = row > 0 ? positive(apply(slice, where, [row + 1, column])) : 0;
        if (number === 0 || apply(startsWith, where, ['sluice:'])) {
            return '';
        }
        const place = `${apply(slice, where, [0, row])}:${number - 1}:${apply(slice, where, [column + 1])}`;
        return name === '' ? `    at ${place}` : `    at ${name} (${place})`;
    }

    // frames up to the last one of the entry function, or all when it is not among them
    function frames(stack) {
        let out = '';
        let kept = '';
        const lines = apply(split, stack, ['\n']);
        for (let i = 0; i < lines.length && i < 50; i++) {
            const text = frame(lines[i]);
            if (text !== '') {
                out += `\n${text}`;
                if (apply(startsWith, text, ['    at transform'])) {
                    kept = out;
                }
            }
        }
        return kept === '' ? out : kept;
    }

    function describe(error) {
        let text;
        try {
            if (error !== null && typeof error === 'object' && typeof error.stack === 'string') {
                const name = StringOf(error.name);
                const message = StringOf(error.message);
                text = (message === '' ? name : `${name}: ${message}`) + frames(error.stack);
            } else {
                const shown = typeof error === 'object' ? stringify(error) : StringOf(error);
                text = `Error: the code threw ${shown}, which is not an Error`;
            }
        } catch (_) {
            text = 'Error: the code threw something that cannot be shown';
        }
        return apply(slice, text, [0, ERROR_CHARS]);
    }

    // ---- results: a list of rows in the order in which they end; kinds: 0 output, 1 error, 2 dropped, 3 run it again ----

    // A list of links, not an array: writing to an array's new index can be caught by a setter on its prototype.
    function append(input, kind, value, cause) {
        const link = { input, kind, value, cause, next: null };
        if (call.last === null) {
            call.first = link;
        } else {
            call.last.next = link;
        }
        call.last = link;
    }

    // As long as each event gives one output, in their order, it takes the event's place and there are no rows:
    // `call.plain` such events. From the first that ends otherwise on all have rows.
    function useRows() {
        const { plain } = call;
        call.plain = -1;
        for (let i = 0; i < plain; i++) {
            append(i, 0, call.events[i], null);
        }
    }

    function row(input, kind, value, cause) {
        if (call.plain >= 0) {
            useRows();
        }
        append(input, kind, value, cause);
    }

    function fail(input, text, cause) {
        row(input, 1, text, cause);
    }

    // Objects that live where they were made: a promise that nobody waited for, an iterator that nobody read.
    const ODDS = [
        Promise.prototype, WeakMap.prototype, WeakSet.prototype, WeakRef.prototype,
        ...['', [], new Map(), new Set()].map((each) => getPrototypeOf(each[Symbol.iterator]())),
        ...['a'.matchAll(/a/g), function* () {}.prototype, async function* () {}.prototype].map(getPrototypeOf),
    ];
    const ODD_TEXTS = { __proto__: null };
    for (const each of ODDS) {
        ODD_TEXTS[apply(toText, each, [])] = true;
    }

    const isObject = (value) => apply(toText, value, []) === '[object Object]';

    // what JSON would leave out or make {} silently, and a copy between contexts would refuse
    function uncopyable(value, depth) {
        const keys = keysOf(value);
        for (let i = 0; i < keys.length; i++) {
            const each = value[keys[i]];
            if (typeof each === 'function' || typeof each === 'symbol') {
                return each;
            }
            if (typeof each === 'object' && each !== null) {
                if (ODD_TEXTS[apply(toText, each, [])] === true) {
                    return each;
                }
                if (depth === 0) {
                    return TOO_DEEP;
                }
                const found = uncopyable(each, depth - 1);
                if (found !== undefined) {
                    return found;
                }
            }
        }
        return undefined;
    }

    // An event that came out. What it holds is looked at when it is written.
    function output(input, value) {
        if (call.plain === input && call.mode === 'transformEvent') {
            call.events[input] = value;
            call.plain += 1;
        } else {
            row(input, 0, value, null);
        }
    }

    function errorText(input, text, cause) {
        return `[${input},1,${stringify(text)},"${cause}"]`;
    }

    // One row as text, whatever its value does while it is written; or an error, when it holds what cannot go on.
    function linkText({ input, kind, value, cause }) {
        if (kind !== 0) {
            return kind === 1 ? errorText(input, value, cause) : `[${input},${kind},null]`;
        }
        let text;
        let found;
        let shown;
        try {
            found = uncopyable(value, WALK_DEPTH);
            text = found === undefined || found === TOO_DEEP ? stringify(value) : ''; // which says it if it is a cycle
            shown = text === '' ? StringOf(found) : '';
        } catch (error) {
            return errorText(input, describe(error), 'json');
        }
        if (found === TOO_DEEP) {
            return errorText(input, `Error: the returned event is nested more than ${WALK_DEPTH} levels deep`, 'json');
        }
        if (found !== undefined) {
            return errorText(input, apply(slice, `Error: ${shown} could not be cloned.`, [0, ERROR_CHARS]), 'clone');
        }
        if (typeof text !== 'string' || text[0] !== '{') {
            return errorText(input, 'Error: the returned event has no JSON text', 'json');
        }
        if (text.length > call.limit) {
            return errorText(input, `Error: the returned event has ${text.length} characters; ${call.limit} are allowed`,
                'output');
        }
        return `[${input},0,${text}]`;
    }

    // A function in what is written is left out by JSON without a word, a promise becomes {}. This hears of them, at no
    // cost for what holds none.
    let odd = false;
    for (const each of [Function.prototype, ...ODDS]) {
        defineProperty(each, 'toJSON', {
            value() {
                odd = true;
                return typeof this === 'function' ? undefined : this;
            },
            writable: true,
            enumerable: false,
            configurable: true,
        });
    }

    const isPlain = () => call.plain === call.events.length;

    function listOf() {
        const list = [];
        for (let link = call.first, i = 0; link !== null; link = link.next, i += 1) {
            list[i] = link.kind === 1 ? [link.input, 1, link.value, link.cause] : [link.input, link.kind, link.value];
        }
        return list;
    }

    // All rows, or the outputs in their place; null: one by one, because one cannot be written or all of them are long.
    // An event that is nested too deeply for the server is told from the others there.
    function rowsAtOnce() {
        odd = symbols;
        try {
            const text = stringify(isPlain() ? call.events : listOf());
            return text.length <= call.limit && !odd ? text : null;
        } catch (_) {
            return null;
        }
    }

    // `"rows":[...]`, or `"outputs":[...]`: the n-th is that of the n-th event.
    function rowsText(trusted) {
        // alone, a row that the server would not take is told from the others at once
        const whole = trusted && call.events.length > 1 ? rowsAtOnce() : null;
        if (whole !== null) {
            return `"${isPlain() ? 'outputs' : 'rows'}":${whole}`;
        }
        if (call.plain >= 0) {
            useRows();
        }
        let text = '';
        for (let link = call.first; link !== null; link = link.next) {
            text += `${text === '' ? '' : ','}${linkText(link)}`;
        }
        return `"rows":[${text}]`;
    }

    function outputs(input, list) {
        for (let i = 0; i < list.length; i++) {
            if (!isObject(list[i])) {
                fail(input, 'returned event in events array from transformEvent(event) is not an object', 'return');
                return;
            }
        }
        for (let i = 0; i < list.length; i++) {
            output(input, list[i]);
        }
        if (list.length === 0) {
            row(input, 2, null, null);
        }
    }

    function settle(input, value) {
        if (value === undefined || value === null) {
            row(input, 2, null, null);
        } else if (isArray(value)) {
            outputs(input, value);
        } else if (isObject(value)) {
            output(input, value);
        } else {
            fail(input, 'returned event from transformEvent(event) is not an object', 'return');
        }
    }

    // ---- metadata ----

    function byMessageId() {
        if (call.ids === null) {
            call.ids = new MapOf();
            call.repeats = false;
            for (let i = 0; i < call.events.length; i++) {
                call.repeats = call.repeats || apply(mapGet, call.ids, [call.messageIds[i]]) !== undefined;
                apply(mapSet, call.ids, [call.messageIds[i], i]);
            }
        }
        return call.ids;
    }

    function inputOf(event) {
        const id = event === null || event === undefined ? undefined : event.messageId;
        return id === undefined ? undefined : apply(mapGet, byMessageId(), [id]);
    }

    function metadata(event) {
        const input = inputOf(event);
        const own = input === undefined || call.meta.length === 0 ? {} : call.meta[input];
        const common = input === undefined ? {} : call.common;
        const out = {};
        for (let i = 0; i < METADATA.length; i++) {
            const key = METADATA[i];
            out[key] = own[key] === undefined ? common[key] : own[key];
        }
        return out;
    }

    // ---- what is asked of the server ----

    function ask(kind, parameters, onAnswer) {
        return new PromiseOf((resolve, reject) => {
            const current = call;
            if (current.writing) {
                return; // nobody would wait for the answer
            }
            if (ended !== null) { // who knows what a batch before it has left behind: it asks when it runs by itself
                current.pending += 1;
                current.single = true;
                return;
            }
            const id = host.ask(kind, stringify(parameters));
            current.asked += 1;
            current.asks ??= new MapOf();
            apply(mapSet, current.asks, [id, (text) => {
                current.asked -= 1;
                onAnswer(parse(text), resolve, reject);
            }]);
        });
    }

    function plain(value) {
        return value === undefined ? null : value;
    }

    // Whatever goes wrong, the word says so: also for a body that is no JSON, or options that have no text.
    function fetch(url, options) {
        const body = ask('fetch', [plain(url), plain(options)], (answer, resolve, reject) => {
            try {
                resolve(parse(answer.body));
            } catch (error) {
                reject(error);
            }
        });
        return apply(promiseThen, body, [undefined, () => 'ERROR']);
    }

    // What a promise is rejected with: its message can be seen, and is written when it is put into an event.
    function rejection(text) {
        const error = new ErrorOf(text);
        defineProperty(error, 'message', { value: text, writable: true, enumerable: true, configurable: true });
        defineProperty(error, 'stack', { value: `Error: ${text}`, writable: true, enumerable: true, configurable: true });
        return error;
    }

    function fetchV2(url, options) {
        return ask('fetch', [plain(url), plain(options)], (answer, resolve, reject) => {
            if (answer.error !== undefined) {
                reject(rejection(answer.error));
                return;
            }
            let body = answer.body;
            try {
                body = parse(body);
            } catch (_) {
                // text then
            }
            resolve({ url: answer.url, status: answer.status, headers: answer.headers, body });
        });
    }

    function geolocation(ip) {
        return ask('geolocation', [plain(ip)], (answer, resolve, reject) => {
            if (answer.error !== undefined) {
                reject(rejection(answer.error));
            } else {
                resolve(answer.value);
            }
        });
    }

    function getCredential(key) {
        if (key === null || key === undefined) {
            throw new TypeErrorOf('Key should be valid and defined');
        }
        const list = call.credentials;
        for (let i = 0; i < list.length; i++) {
            if (list[i].key === key) {
                return list[i].value;
            }
        }
        return undefined;
    }

    function log(...args) {
        if (call === null || !call.logs || call.logText.length > LOG_CHARS) {
            return;
        }
        let line = 'Log:';
        for (let i = 0; i < args.length; i++) {
            const each = args[i];
            line += ` ${typeof each === 'object' && each !== null ? stringify(each) : StringOf(each)}`;
        }
        call.logText += `${call.logText === '' ? '' : ','}${stringify(apply(slice, line, [0, ERROR_CHARS]))}`;
    }

    function extractStackTrace(stack) {
        return typeof stack === 'string' ? stack : '';
    }

    // ---- globals ----

    const silent = () => undefined;
    const api = { fetch, fetchV2, geolocation, log, extractStackTrace, getCredential };
    for (const name of ['WebAssembly', 'FinalizationRegistry']) {
        delete globalThis[name];
    }
    const methods = {};
    for (const name of ownKeys(console)) {
        methods[name] = silent;
    }
    Object.defineProperty(globalThis, 'console', { value: methods, writable: true, enumerable: false, configurable: true });
    for (const name of ownKeys(api)) {
        globalThis[name] = api[name];
    }
    globalThis.global = globalThis;

    // ---- destinations: no API of user code, and nothing that differs from call to call ----

    function refuser(name, instead) {
        return () => {
            throw new ErrorOf(`${name} is not there: ${instead}`);
        };
    }

    function seal() {
        for (const name of ownKeys(api)) {
            delete world[name];
        }
        const now = refuser('Date.now()', 'ctx.now is the time');
        class ClocklessDate extends Date {
            constructor(...args) {
                if (args.length === 0) {
                    refuser('new Date() without a time', 'ctx.now is the time')();
                }
                super(...args);
            }
        }
        Date.now = now;
        Date.prototype.constructor = ClocklessDate;
        Math.random = refuser('Math.random()', 'ctx.random() gives numbers');
        world.Date = ClocklessDate;
    }

    // What the program's own modules import as 'sluice:host'.
    const hostSpace = {
        __proto__: null,
        ask: (what, parameters) => ask(what, parameters, (answer, resolve) => resolve(answer)),
        digest: (algorithm, text, key) => host.digest(algorithm, text, key),
        describe,
    };

    // ---- the guard: what of the language was changed by user code ----

    // The built-in objects, found before any user code ran: [object, its prototype, keys, values].
    function survey() {
        const found = [];
        const seen = new Set([globalThis]);
        const queue = [];
        const add = (value) => {
            if (value !== null && (typeof value === 'object' || typeof value === 'function') && !seen.has(value)) {
                seen.add(value);
                queue.push(value);
            }
        };
        for (const key of ownKeys(globalThis)) {
            const { value } = getOwnPropertyDescriptor(globalThis, key);
            add(value);
        }
        [[][Symbol.iterator](), new Map()[Symbol.iterator](), new Set()[Symbol.iterator](), ''[Symbol.iterator](),
            'a'.matchAll(/a/g), (function* () {})(), (async function* () {})(), async () => 1].forEach((each) => {
            for (let at = getPrototypeOf(each); at !== null; at = getPrototypeOf(at)) {
                add(at);
            }
        });
        while (queue.length > 0) {
            const object = queue.shift();
            const keys = ownKeys(object);
            const values = keys.map((key) => getOwnPropertyDescriptor(object, key).value);
            // a plain function (a method): nobody looks at what hangs on it
            if (typeof object === 'object' || keys.includes('prototype') || object === Function.prototype) {
                found.push([object, getPrototypeOf(object), keys, values]);
                add(getPrototypeOf(object));
                values.forEach((value, i) => (keys[i] === 'prototype' || typeof value === 'object' ? add(value) : undefined));
            }
        }
        return found;
    }

    // A function that says whether all of an object's properties are what they were: with their names written out, so
    // that the engine looks them up by its caches. Properties with getters are not looked at.
    function comparer([object, prototype, keys, values]) {
        const names = [];
        const tests = [];
        keys.forEach((key, i) => {
            const value = values[i];
            if (value !== undefined && value === value) {
                names.push(key);
                tests.push(`o[${typeof key === 'string' ? stringify(key) : `k[${names.length - 1}]`}]===v[${names.length - 1}]`);
            }
        });
        const held = names.map((key) => object[key]);
        const same = new Function('o', 'k', 'v', `"use strict";return ${['true', ...tests].join('&&')}`);
        const count = keys.length;
        return () => getPrototypeOf(object) === prototype && ownKeys(object).length === count && same(object, names, held);
    }

    let guarded = null;
    let globalKeys = null;
    let globalValues = null;

    function pristine() {
        if (guarded === null) {
            return true;
        }
        for (let i = 0; i < guarded.length; i++) {
            if (!guarded[i]()) {
                return false;
            }
        }
        for (let i = 0; i < globalKeys.length; i++) {
            const value = globalValues[i];
            if (world[globalKeys[i]] !== value && value === value) {
                return false;
            }
        }
        return true;
    }

    // ---- running ----

    function notSupported() {
        return apply(promiseThen, apply(promiseResolve, PromiseOf, [undefined]), [() => {
            throw new ErrorOf('Not supported');
        }]);
    }

    // New instances of all modules: what they keep at their top level lives as long as one batch.
    function instantiate() {
        const spaces = [];
        let last;
        for (let i = 0; i < modules.length; i++) {
            const { factory, imports } = modules[i];
            const given = [notSupported];
            for (let k = 0; k < imports.length; k++) {
                given[k + 1] = imports[k] < 0 ? hostSpace : spaces[imports[k]];
            }
            last = apply(factory, undefined, given);
            if (kind === 'transformation') {
                sealed(last); // as a namespace is
            }
            spaces[i] = last;
        }
        return last;
    }

    function entry(space) {
        if (kind === 'destination') {
            return ['destination', space.main];
        }
        if (kind === 'script') {
            if (typeof space !== 'function') {
                throw new ErrorOf('Expected a function transform(events). Found none');
            }
            return ['transform', space];
        }
        const one = typeof space.transformEvent === 'function';
        const all = typeof space.transformBatch === 'function';
        if (one === all) {
            throw new ErrorOf('Expected one of transformEvent,transformBatch. Found ' +
                (one ? 'transformEvent,transformBatch' : ''));
        }
        return one ? ['transformEvent', space.transformEvent] : ['transformBatch', space.transformBatch];
    }

    function thenable(value) {
        return value !== null && (typeof value === 'object' || typeof value === 'function') &&
            typeof value.then === 'function';
    }

    function wait(input, promise, onValue) {
        const mine = call;
        mine.pending += 1;
        mine.waiting[input] = true;
        const end = (act) => (value) => {
            if (call === mine) {
                mine.pending -= 1;
                mine.waiting[input] = false;
                act(input, value);
            }
        };
        const failed = (i, error) => fail(mine.mode === 'transformEvent' ? i : ALL, describe(error), 'throw');
        apply(promiseThen, apply(promiseResolve, PromiseOf, [promise]), [end(onValue), end(failed)]);
    }

    function eachEvent(transformEvent) {
        const { events } = call;
        for (let i = 0; i < events.length; i++) {
            call.current = i;
            try {
                const returned = transformEvent(events[i], metadata);
                if (thenable(returned)) {
                    wait(i, returned, settle);
                } else {
                    settle(i, returned);
                }
            } catch (error) {
                fail(i, describe(error), 'throw');
            }
        }
        call.current = -1;
    }

    // The input that an output of a batch belongs to. Of those that share a messageId, each gets one before one gets two.
    function originOf(event, kept) {
        const last = inputOf(event);
        for (let i = 0; last !== undefined && call.repeats && i < last; i++) {
            if (kept[i] !== true && call.messageIds[i] === call.messageIds[last]) {
                return i;
            }
        }
        return last;
    }

    function settleBatch(_input, value) {
        if (!isArray(value)) {
            fail(ALL, kind === 'script' ? 'returned events from transform(events) is not an array'
                : 'returned events from transformBatch(event) is not an array', 'batch');
            return;
        }
        const kept = {};
        for (let i = 0; i < value.length; i++) {
            const each = value[i];
            if (!isObject(each)) {
                fail(ALL, kind === 'script' ? 'returned event in events from user transformation is not an object'
                    : 'returned event in events array from transformBatch(events) is not an object', 'return');
                continue;
            }
            const input = originOf(each, kept);
            output(input === undefined ? ALL : input, each);
            if (input !== undefined) {
                kept[input] = true;
            }
        }
        for (let i = 0; i < call.events.length; i++) {
            if (kept[i] !== true) {
                row(i, 2, null, null);
            }
        }
    }

    function wholeBatch(transformBatch) {
        let returned;
        try {
            returned = kind === 'script' ? transformBatch(call.events) : transformBatch(call.events, metadata);
            if (thenable(returned)) {
                wait(0, returned, settleBatch);
                return;
            }
        } catch (error) {
            fail(ALL, describe(error), 'throw');
            return;
        }
        settleBatch(0, returned);
    }

    // The program's own module answers with rows: [input, kind, value, cause].
    function addRows(_input, list) {
        for (let i = 0; i < list.length; i++) {
            const [input, what, value, cause] = list[i];
            row(input, what, value, cause);
        }
    }

    function destination(main) {
        wait(0, main(call.events, call.meta, call.common), addRows);
    }

    function againText(count) {
        let text = '';
        for (let i = 0; i < count; i++) {
            text += `${i === 0 ? '' : ','}[${i},3,null]`;
        }
        return `"rows":[${text}]`;
    }

    function end() {
        call.writing = false;
        if (ended === null) {
            ended = call;
        } else {
            endedLast.next = call;
        }
        endedLast = call;
        call = null;
    }

    // What the batches that have ended, and the one that ends, did to what they all saw.
    function judge() {
        several = ended !== null;
        const polluted = kind !== 'destination' && !pristine(); // the program's own code has no tenants
        verdict = { polluted, fresh: polluted || ownKeys(world).length !== globalKeys.length };
    }

    function head({ mode }, { polluted, fresh }, single) {
        return `{"mode":"${mode}","polluted":${polluted},"fresh":${fresh},"single":${single},`;
    }

    // Of several batches that ran one after the other none counts when one has changed what the next ones saw.
    function answer() {
        const { polluted, fresh } = verdict;
        const single = call.single || (several && fresh);
        if (call.text !== '' && !single) {
            return call.text;
        }
        call.writing = true;
        // then every event is run again by itself
        const useless = single || (polluted && call.mode === 'transformEvent' && call.events.length > 1);
        const written = useless ? '"rows":[]' : call.rows;
        const rows = written === '' ? rowsText(!polluted) : written;
        return `${head(call, verdict, single)}${rows},"logs":[${useless ? '' : call.logText}]}`;
    }

    const stoppedVerdict = { polluted: false, fresh: true };

    // What is done, who was running; who never settled is run again by itself. Struck while the results were written,
    // nobody knows by whose: all are run again.
    function stoppedText() {
        const { current, events, mode, waiting, writing, logText } = call;
        const late = 'Error: Script execution timed out.';
        let rows;
        if (mode === 'destination' && events.length > 1) {
            rows = againText(events.length);
        } else if (mode !== 'transformEvent' || events.length === 1) {
            rows = `"rows":[${errorText(ALL, late, 'cpu')}]`;
        } else {
            if (current >= 0) {
                fail(current, late, 'cpu');
            }
            for (let i = 0; i < events.length && !writing; i++) {
                if ((current >= 0 && i > current) || waiting[i] === true) {
                    row(i, 3, null, null);
                }
            }
            rows = writing ? againText(events.length) : rowsText(false);
        }
        return `${head(call, stoppedVerdict, false)}${rows},"logs":[${logText}]}`;
    }

    return {
        // imports: JSON, indexes of modules defined before; what: of the version
        define(factory, imports, what) {
            modules.push({ factory, imports: parse(imports) });
            symbols = symbols || functionText.call(factory).includes('Symbol');
            kind = what;
            if (kind === 'script') {
                globalThis.metadata = metadata;
                delete globalThis.getCredential; // is of modules
            } else if (kind === 'destination' && modules.length === 1) {
                seal();
            }
        },

        // before the first run, after `define`
        guard() {
            guarded = survey().map(comparer);
            globalKeys = ownKeys(globalThis);
            globalValues = globalKeys.map((key) => getOwnPropertyDescriptor(globalThis, key).value);
        },

        // text: {limit, logs, credentials, common, meta: [...], events: [...]}. The rest of the work happens in
        // microtasks, which run before the worker's call of this function ends; then it calls `hold` or `settle`.
        run(text) {
            taking = false;
            call = newCall(parse(text));
            for (let i = 0; i < call.events.length; i++) {
                call.messageIds[i] = call.events[i].messageId;
            }
            let found;
            try {
                found = kind === 'destination' ? (ours ??= entry(instantiate())) : entry(instantiate());
            } catch (error) {
                fail(ALL, describe(error), 'start');
                return;
            }
            [call.mode] = found;
            if (call.mode === 'transformEvent') {
                eachEvent(found[1]);
            } else if (call.mode === 'destination') {
                destination(found[1]);
            } else {
                wholeBatch(found[1]);
            }
        },

        reply(id, text) {
            const onText = call.asks === null ? undefined : apply(mapGet, call.asks, [id]);
            if (onText !== undefined) {
                apply(mapDelete, call.asks, [id]);
                onText(text);
            }
        },

        // Puts the batch off until the next ones of the same version have run: the guard looks once at what they all
        // did. False: something of it is not settled.
        hold() {
            if (call.pending > 0) {
                return false;
            }
            // while all of it is in the processor's caches; for nothing, should the guard find something
            call.writing = true;
            call.rows = rowsText(true);
            end();
            return true;
        },

        // Ends the batch; then there is a text to take of it and of each that was held. False: something is asked of
        // the server.
        settle() {
            if (call.pending > 0 && call.asked > 0) {
                return false;
            }
            // nothing is left that could settle them
            for (let i = 0; i < call.waiting.length; i++) {
                if (call.waiting[i] === true) {
                    fail(call.mode === 'transformEvent' ? i : ALL, 'Error: Error: Timed out', 'pending');
                }
            }
            call.writing = true;
            judge();
            end();
            return true;
        },

        // The oldest batch's text.
        take() {
            let text;
            taking = true;
            if (call === null) {
                call = ended;
                ended = call.next;
                text = answer();
            } else { // the CPU limit struck while it was written
                ({ text } = call);
            }
            call = null;
            return text;
        },

        // After the CPU limit struck: then there are texts to take, as after `settle`.
        stopped() {
            call.text = stoppedText();
            if (!taking) {
                judge();
                end();
            } else { // in `take`: the batches behind it shall not run in what it has left
                verdict = stoppedVerdict;
                several = true;
            }
        },
    };
});
