// Turns a transformation and its libraries into plain functions. Runs in a context of its own, behind acorn, so that
// no user code shares globals with it. Positions are kept: what is taken out becomes blanks, what is put in goes onto
// a line of its own in front, so an error's line is the user's line + 1 and its column is the user's.
(function (acorn) {
    'use strict';

    class Refusal extends Error {
        constructor(kind, file, text, code, pos) {
            super(text);
            this.refusal = { kind, file, text, ...place(code, pos) };
        }
    }

    // line and column count from 1; the line's text is for the caret
    function place(code, pos) {
        if (typeof code !== 'string' || !(pos >= 0)) {
            return {};
        }
        const before = code.slice(0, pos).split(/\r\n|[\n\r\u2028\u2029]/);
        const line = code.split(/\r\n|[\n\r\u2028\u2029]/)[before.length - 1];
        const column = before[before.length - 1].length;
        const from = Math.max(0, column - 80);
        return { line: before.length, column: column + 1, code: line.slice(from, from + 160), caret: column - from };
    }

    function parse(file, code, sourceType) {
        try {
            return acorn.parse(code, { ecmaVersion: 'latest', sourceType });
        } catch (error) {
            if (!(error instanceof SyntaxError) || typeof error.pos !== 'number') {
                throw new Refusal('syntax', file, `SyntaxError: ${error.message}`);
            }
            const text = error.message.replace(/ \(\d+:\d+\)$/, '');
            throw new Refusal('syntax', file, `SyntaxError: ${text}`, code, error.pos);
        }
    }

    // the source as pieces that are replaced by others; newlines of what goes are kept
    class Edits {
        constructor(code) {
            this.code = code;
            this.list = [];
        }

        blank(from, to) {
            this.put(from, to, '');
        }

        put(from, to, text) {
            const kept = this.code.slice(from, to).replace(/[^\n\r\u2028\u2029]/g, ' ');
            this.list.push({ from, to, text: text + kept.slice(text.length) });
        }

        apply() {
            let at = 0;
            let out = '';
            for (const { from, to, text } of this.list.sort((a, b) => a.from - b.from || a.to - b.to)) {
                out += this.code.slice(at, from) + text;
                at = to;
            }
            return out + this.code.slice(at);
        }
    }

    // a name of `length` characters that the source does not hold
    function freshName(code, letter, length) {
        for (let n = 0; ; n++) {
            const name = `$${letter}${String(n).padStart(length - 2, '0')}`;
            if (!code.includes(name)) {
                return name;
            }
        }
    }

    const nameOf = (node) => (node.type === 'Literal' ? node.value : node.name);

    function bindingNames(pattern, out) {
        if (pattern === null) {
            return;
        }
        switch (pattern.type) {
            case 'Identifier':
                out.push(pattern.name);
                break;
            case 'ObjectPattern':
                pattern.properties.forEach((each) => bindingNames(each.type === 'RestElement' ? each : each.value, out));
                break;
            case 'ArrayPattern':
                pattern.elements.forEach((each) => bindingNames(each, out));
                break;
            case 'AssignmentPattern':
                bindingNames(pattern.left, out);
                break;
            case 'RestElement':
                bindingNames(pattern.argument, out);
                break;
        }
    }

    // calls `each` for every node below; an explicit stack, for sources nested deeply
    function walk(root, each) {
        const stack = [root];
        while (stack.length > 0) {
            const node = stack.pop();
            each(node);
            for (const key of Object.keys(node)) {
                const value = node[key];
                if (Array.isArray(value)) {
                    value.forEach((child) => child !== null && typeof child.type === 'string' && stack.push(child));
                } else if (value !== null && typeof value === 'object' && typeof value.type === 'string') {
                    stack.push(value);
                }
            }
        }
    }

    class Module {
        constructor(file, code) {
            this.file = file;
            this.code = code;
            this.edits = new Edits(code);
            this.imports = []; // {from, names: [[imported, local]], star, pos}
            this.exports = []; // [exported, expression]
            this.stars = []; // modules whose exports are all exported again
            this.dynamic = freshName(code, 'i', 6);
            this.space = freshName(code, 'm', 6);
            const program = parse(file, code, 'module');
            if (code.startsWith('#!')) {
                this.edits.put(0, 2, '//');
            }
            this.read(program);
        }

        importOf(source) {
            let found = this.imports.find((each) => each.from === source.value);
            if (found === undefined) {
                found = { from: source.value, names: [], spaces: [], pos: source.start };
                this.imports.push(found);
            }
            return found;
        }

        spaceOf(entry) {
            return `${this.space}_${this.imports.indexOf(entry)}`;
        }

        read(program) {
            program.body.forEach((node) => this.statement(node));
            walk(program, (node) => {
                if (node.type === 'ImportExpression') {
                    this.edits.put(node.start, node.start + 6, this.dynamic);
                } else if (node.type === 'MetaProperty' && node.meta.name === 'import') {
                    throw new Refusal('syntax', this.file, "SyntaxError: Cannot use 'import.meta' here", this.code, node.start);
                } else if (node.type === 'AwaitExpression' || (node.type === 'ForOfStatement' && node.await)) {
                    node.awaits = true;
                }
            });
            this.refuseTopLevelAwait(program);
        }

        refuseTopLevelAwait(program) {
            const stack = [program];
            while (stack.length > 0) {
                const node = stack.pop();
                if (node.awaits) {
                    throw new Refusal('syntax', this.file, "SyntaxError: 'await' is allowed only inside async functions",
                        this.code, node.start);
                }
                for (const value of Object.values(node)) {
                    for (const child of Array.isArray(value) ? value : [value]) {
                        if (child !== null && typeof child === 'object' && typeof child.type === 'string' &&
                            !/Function/.test(child.type)) {
                            stack.push(child);
                        }
                    }
                }
            }
        }

        statement(node) {
            switch (node.type) {
                case 'ImportDeclaration':
                    this.importDeclaration(node);
                    break;
                case 'ExportNamedDeclaration':
                    this.exportNamed(node);
                    break;
                case 'ExportDefaultDeclaration':
                    this.exportDefault(node);
                    break;
                case 'ExportAllDeclaration': {
                    const entry = this.importOf(node.source);
                    if (node.exported) {
                        this.exports.push([nameOf(node.exported), this.spaceOf(entry)]);
                    } else {
                        this.stars.push(this.imports.indexOf(entry));
                    }
                    this.edits.blank(node.start, node.end);
                    break;
                }
            }
        }

        importDeclaration(node) {
            const entry = this.importOf(node.source);
            for (const each of node.specifiers) {
                if (each.type === 'ImportNamespaceSpecifier') {
                    entry.spaces.push(each.local.name);
                } else {
                    const imported = each.type === 'ImportDefaultSpecifier' ? 'default' : nameOf(each.imported);
                    entry.names.push([imported, each.local.name, each.start]);
                }
            }
            // `;`: what follows must not become a call of what stands before
            this.edits.put(node.start, node.end, ';');
        }

        exportNamed(node) {
            if (node.declaration) {
                this.edits.blank(node.start, node.declaration.start);
                const names = [];
                if (node.declaration.type === 'VariableDeclaration') {
                    node.declaration.declarations.forEach((each) => bindingNames(each.id, names));
                } else {
                    names.push(node.declaration.id.name);
                }
                names.forEach((name) => this.exports.push([name, name]));
                return;
            }
            const entry = node.source ? this.importOf(node.source) : null;
            for (const each of node.specifiers) {
                const local = nameOf(each.local);
                if (entry !== null) {
                    entry.names.push([local, null, each.start]);
                }
                this.exports.push([nameOf(each.exported),
                    entry === null ? local : `${this.spaceOf(entry)}[${JSON.stringify(local)}]`]);
            }
            this.edits.put(node.start, node.end, ';');
        }

        exportDefault(node) {
            const declared = node.declaration;
            if (/^(Function|Class)Declaration$/.test(declared.type) && declared.id) {
                this.edits.blank(node.start, declared.start);
                this.exports.push(['default', declared.id.name]);
                return;
            }
            // as long as "export default ", so that the rest of the line stays in its column
            const name = this.code.includes('default_') ? freshName(this.code, 'd', 8) : 'default_';
            this.edits.put(node.start, declared.start, `const ${name}=`);
            if (this.code[node.end - 1] !== ';') {
                this.edits.list.push({ from: node.end, to: node.end, text: ';' });
            }
            this.exports.push(['default', name]);
        }

        exportNames() {
            return this.exports.map(([name]) => name);
        }

        source() {
            const spaces = this.imports.map((entry) => this.spaceOf(entry));
            let head = `(function(${[this.dynamic, ...spaces].join(',')}){"use strict";`;
            this.imports.forEach((entry, i) => {
                const names = entry.names.filter(([, local]) => local !== null)
                    .map(([imported, local]) => `${JSON.stringify(imported)}:${local}`);
                head += names.length > 0 ? `const{${names.join(',')}}=${spaces[i]};` : '';
                head += entry.spaces.map((local) => `const ${local}=${spaces[i]};`).join('');
            });
            const getters = this.exports.map(([name, expression]) =>
                `get ${JSON.stringify(name)}(){return ${expression}}`).sort(); // the order of a namespace's keys
            const stars = this.stars.map((index) => `...${spaces[index]}`);
            return `${head}\n${this.edits.apply()}\n;return{__proto__:null,${[...stars, ...getters].join(',')}}})`;
        }
    }

    // as lodash's: 'math tools', 'Math-Tools', 'mathTools' -> mathTools
    function camelCase(name) {
        const plain = name.normalize('NFD').replace(/[\u0300-\u036f'\u2019]/g, '');
        const words = plain.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\x00-\x7f]+/g) || [];
        return words.map((word, i) => {
            const lower = word.toLowerCase();
            return i === 0 ? lower : lower[0].toUpperCase() + lower.slice(1);
        }).join('');
    }

    function findLibrary(libraries, from) {
        return libraries.find((each) => each.name === from || (!from.startsWith('@') && camelCase(each.name) === from));
    }

    // libraries are modules without imports of their own
    function compileLibrary(library, from) {
        const module = new Module(`library ${from}`, library.code);
        if (module.imports.length > 0) {
            const entry = module.imports[0];
            throw new Refusal('import', module.file, `Error: import from ${entry.from} failed. Module not found.`,
                library.code, entry.pos);
        }
        return module;
    }

    function checkNames(main, entry, library) {
        const names = library.exportNames();
        const missing = entry.names.find(([imported]) => !names.includes(imported));
        if (missing !== undefined) {
            throw new Refusal('import', main.file, `SyntaxError: The requested module '${entry.from}' does not provide ` +
                `an export named '${missing[0]}'`, main.code, missing[2]);
        }
    }

    function importNames(module) {
        const out = {};
        for (const entry of module.imports) {
            const names = entry.names.map(([imported, local]) => (imported === 'default' ? local : imported));
            out[entry.from] = [...(out[entry.from] || []), ...names];
        }
        return out;
    }

    // Whether what has the name is a function is known when it runs.
    function checkEntry(main) {
        const names = main.exportNames();
        if (main.stars.length === 0 && !names.includes('transformEvent') && !names.includes('transformBatch')) {
            throw new Refusal('export', main.file,
                `Error: Expected one of transformEvent,transformBatch. Found ${names.join(',')}`);
        }
    }

    function compileMain(input) {
        const main = new Module(input.name, input.code);
        checkEntry(main);
        const modules = [];
        for (const entry of main.imports) {
            const library = findLibrary(input.libraries, entry.from);
            if (library === undefined) {
                throw new Refusal('import', main.file, `Error: import from ${entry.from} failed. Module not found.`,
                    main.code, entry.pos);
            }
            const module = compileLibrary(library, entry.from);
            checkNames(main, entry, module);
            modules.push({ file: module.file, source: module.source(), imports: [] });
        }
        modules.push({ file: main.file, source: main.source(), imports: main.imports.map((_, i) => i) });
        return { modules, imports: importNames(main), exports: main.exportNames() };
    }

    // a library by itself, or only the list of what a code imports: for those who save code
    function compileAlone(input) {
        const module = new Module(input.name, input.code);
        return { modules: [], imports: importNames(module), exports: module.exportNames() };
    }

    function compileClassic(input) {
        parse(input.name, input.code, 'script');
        const code = input.code.replace(/^#!/, '//');
        const source = `(function(){\n${code}\n;return typeof transform==="function"?transform:undefined})`;
        return { modules: [{ file: input.name, source, imports: [] }], imports: {}, exports: [] };
    }

    const HOST = 'sluice:host';
    const HOST_INDEX = -1; // of an import: what the runtime gives to the program's own modules

    // A destination: the program's own module runs it, and modules import each other; only those that are reached are
    // compiled, each behind what it imports. Exports are those of the destination's module.
    class Graph {
        constructor(input) {
            this.libraries = input.libraries;
            this.modules = [];
            this.found = new Map(); // by name: {module, index}; index undefined while its imports are compiled
        }

        add(name, file, code) {
            const entry = { module: new Module(file, code), index: undefined };
            this.found.set(name, entry);
            const imports = entry.module.imports.map((each) => this.resolve(entry.module, each));
            entry.index = this.modules.length;
            this.modules.push({ file, source: entry.module.source(), imports });
            return entry;
        }

        resolve(importer, each) {
            if (each.from === HOST && importer.file.startsWith('sluice:')) {
                return HOST_INDEX;
            }
            const library = this.libraries.find(({ name }) => name === each.from);
            if (library === undefined) {
                throw this.refusal(importer, each, `import from ${each.from} failed. Module not found.`);
            }
            const entry = this.found.get(each.from) || this.add(each.from, library.file || library.name, library.code);
            if (entry.index === undefined) {
                throw this.refusal(importer, each, `${each.from} is imported in a circle`);
            }
            checkNames(importer, each, entry.module);
            return entry.index;
        }

        refusal(importer, each, text) {
            return new Refusal('import', importer.file, `Error: ${text}`, importer.code, each.pos);
        }
    }

    function compileDestination(input) {
        const graph = new Graph(input);
        const main = graph.add('', input.name, input.code).module;
        const { module } = graph.found.get('transform');
        return { modules: graph.modules, imports: importNames(main), exports: module.exportNames() };
    }

    const compilers = { transformation: compileMain, library: compileAlone, imports: compileAlone,
        destination: compileDestination };

    // text: {name, version, as, code, libraries: [{name, code}]}
    return function compile(text) {
        const input = JSON.parse(text);
        try {
            const compiled = input.version === 0 ? compileClassic(input) : compilers[input.as](input);
            return JSON.stringify(compiled);
        } catch (error) {
            const refusal = error instanceof Refusal ? error.refusal
                : { kind: 'syntax', file: input.name, text: `${error.name}: ${error.message}` };
            return JSON.stringify({ refused: refusal });
        }
    };
});
