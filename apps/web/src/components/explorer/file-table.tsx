import { Bytes } from '@/components/bytes';
import { Hash } from '@/components/hash';
import { ScrollArea } from '@/components/scroll-area';

interface FileRow {
  path: string;
  byteLength: number;
  sha256: string;
  root?: string;
}

export function FileTable({ files, note }: { files: FileRow[]; note: string }) {
  return (
    <>
      <p className="mb-1 text-sm text-soft">{note}</p>
      <ScrollArea label="Files">
        <table className="data-table">
          <thead>
            <tr>
              <th scope="col">Path</th>
              <th scope="col" className="!text-right">
                Size
              </th>
              <th scope="col">SHA-256</th>
              {files[0]?.root && <th scope="col">Root</th>}
            </tr>
          </thead>
          <tbody>
            {files.map(({ path, byteLength, sha256, root }) => (
              <tr key={path}>
                <td className="font-mono text-[0.8125rem]">
                  {root ? (
                    <a className="link" href={`/blobs/${root}`} download={path.split('/').at(-1)}>
                      {path}
                    </a>
                  ) : (
                    path
                  )}
                </td>
                <td className="text-right text-soft">
                  <Bytes value={byteLength} />
                </td>
                <td>
                  <Hash value={sha256} label={`SHA-256 of ${path}`} />
                </td>
                {root && (
                  <td>
                    <Hash value={root} label={`root of ${path}`} />
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollArea>
    </>
  );
}
