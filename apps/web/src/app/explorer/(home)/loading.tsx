export default function Loading() {
  return (
    <div role="status" aria-label="Loading">
      <div className="skeleton h-7 w-40" />
      <div className="mt-8 space-y-3">
        {['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'].map((key) => (
          <div key={key} className="skeleton h-9 w-full" />
        ))}
      </div>
    </div>
  );
}
