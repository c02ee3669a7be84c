// UTF-8 bytes as text, with all that they say: a TextDecoder that is not told otherwise leaves out a U+FEFF that they begin with, and makes
// one name of two that are not the same.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

export const utf8Text = (bytes: Uint8Array): string => decoder.decode(bytes)
