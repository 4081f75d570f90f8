import Link from 'next/link';

export default function NotFound() {
  return (
    <main id="main" className="mx-auto w-full max-w-2xl flex-1 px-4 py-16 sm:px-6">
      <h1 className="text-xl font-semibold">There is nothing at this address.</h1>
      <p className="mt-2 text-soft">
        Blocks are found by chain and height or hash, for example <code>/explorer/A/0</code>.
        Receipts are found by the link under an answer.
      </p>
      <p className="mt-4 flex gap-4">
        <Link href="/explorer" className="link">
          Go to the explorer
        </Link>
        <Link href="/" className="link">
          Ask a question
        </Link>
      </p>
    </main>
  );
}
