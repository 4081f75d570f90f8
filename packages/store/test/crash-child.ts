/** Is killed by crash.test.ts while it writes. */
import { BlobStore } from '@blyan/store/blob-store';
import { fetchBlob } from '@blyan/store/fetch';
import { httpSource } from '@blyan/store/http-source';
import { LEAF_SIZE, pattern } from './support.ts';

const [mode, dir = '', root = '', byteLength = '0', url = ''] = process.argv.slice(2);
const store = await BlobStore.open(dir);
if (mode === 'write') {
  const writer = await store.write();
  const bytes = pattern(LEAF_SIZE);
  for (let i = 0; ; i++) {
    await writer.write(bytes);
    if (i === 2) process.stdout.write('in the middle\n');
  }
}
await fetchBlob(
  { root, byteLength: Number(byteLength) },
  {
    store,
    sources: [httpSource(url)],
    onProgress: ({ done }) => {
      if (done === 3 * LEAF_SIZE) process.stdout.write('in the middle\n');
    },
  },
);
