let wasm, instance;

/** Instantiates the module of a response, once; again after a failure. */
export default function init({ module_or_path: response }) {
    instance ??= instantiate(response).catch((error) => {
        instance = undefined;
        throw error;
    });
    return instance;
}

async function instantiate(response) {
    const imports = __wbg_get_imports();
    let source;
    if (response.headers.get('Content-Type') === 'application/wasm') {
        source = await WebAssembly.instantiateStreaming(response, imports);
    } else {
        console.warn('shoal.wasm loads slower because its server does not call it application/wasm');
        source = await WebAssembly.instantiate(await response.arrayBuffer(), imports);
    }
    wasm = source.instance.exports;
    return wasm;
}
