/** A conversation by its address; the layout shows it. */
export default function Page() {
  return null;
}
