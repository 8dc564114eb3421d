// A PNG that the browser has drawn says nothing of itself. The result's own file says which network made it: those
// words go into the drawn one, too.
const WORDS = new Set(["tEXt", "zTXt", "iTXt", "eXIf"]);
const HEAD = 33; // bytes of the signature and the first chunk, behind which words may stand

function words(file) {
  const found = [], view = new DataView(file.buffer);
  for (let at = 8; at < file.length; ) {
    const end = at + 12 + view.getUint32(at); // length, name, checksum: 4 bytes each
    if (WORDS.has(String.fromCharCode(...file.subarray(at + 4, at + 8)))) found.push(file.subarray(at, end));
    at = end;
  }
  return found;
}

export async function labelled(drawn, result) {
  const [picture, from] = (await Promise.all([drawn.arrayBuffer(), result.arrayBuffer()])).map((x) => new Uint8Array(x));
  return new Blob([picture.subarray(0, HEAD), ...words(from), picture.subarray(HEAD)], { type: "image/png" });
}
