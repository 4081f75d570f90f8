'use client';

import { Modal } from '@/components/modal';
import { useWords } from '@/lib/i18n/provider';
import { useChat } from './chat-context';
import { ConfirmDelete } from './confirm-delete';
import { Kept } from './kept';
import { Palette } from './palette';
import { ProvenancePanel } from './provenance-panel';
import { RenameForm } from './rename-form';
import { SettingsPanel } from './settings-panel';
import { SharePanel } from './share-panel';
import { Sidebar } from './sidebar';
import { TokensPanel } from './tokens-panel';

/** Whatever is open over the page. */
export function Dialogs() {
  const t = useWords();
  const { dialog, show } = useChat();
  const close = () => show(null);
  if (!dialog) return null;
  switch (dialog.kind) {
    case 'drawer':
      return (
        <Modal open onClose={close} title={t.list.title} place="left" bare>
          <Sidebar />
        </Modal>
      );
    case 'palette':
      return (
        <Modal open onClose={close} title={t.palette.title} bare>
          <Palette />
        </Modal>
      );
    case 'settings':
      return (
        <Modal open onClose={close} title={t.settings.title} place="right">
          <SettingsPanel onClose={close} />
        </Modal>
      );
    case 'provenance':
      return (
        <Modal open onClose={close} title={t.provenance.title} place="right">
          <ProvenancePanel ids={dialog.ids} />
        </Modal>
      );
    case 'tokens':
      return (
        <Modal open onClose={close} title={t.tokens.title} place="right">
          <TokensPanel ids={dialog.ids} />
        </Modal>
      );
    case 'kept':
      return (
        <Modal open onClose={close} title={t.kept.title}>
          <Kept />
        </Modal>
      );
    case 'rename':
      return (
        <Modal open onClose={close} title={t.rename.title}>
          <RenameForm id={dialog.id} title={dialog.title} onClose={close} />
        </Modal>
      );
    case 'share':
      return (
        <Modal open onClose={close} title={t.share.title}>
          <SharePanel id={dialog.id} />
        </Modal>
      );
    case 'delete':
      return <ConfirmDelete id={dialog.id} title={dialog.title} onClose={close} />;
    case 'deleteAll':
      return <ConfirmDelete id={null} title={null} onClose={close} />;
  }
}
