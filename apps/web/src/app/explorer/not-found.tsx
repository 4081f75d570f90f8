import Link from 'next/link';

/** Within the explorer's layout: the search is above. */
export default function NotFound() {
  return (
    <div className="py-6">
      <h1 className="text-xl font-semibold">There is nothing at this address.</h1>
      <p className="mt-2 max-w-prose text-soft">
        Blocks are found by chain and height or hash, for example <code>/explorer/A/0</code>.
        Tensors are found by their root, receipts by the link under an answer, and all of them by
        the search above.
      </p>
      <p className="mt-4">
        <Link href="/explorer" className="link">
          Go to the latest blocks
        </Link>
      </p>
    </div>
  );
}
