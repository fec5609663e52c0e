// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// keySuffix is that of the file beside a block with the key of the block: a nonce
// (16), and the key sealed by AES-GCM (48) under a key made of the store's secret. The
// block is encrypted by AES in counter mode, with that nonce, from its beginning to its
// end, so it can be read at any place (nats-server v2.15.2).
const (
	keySuffix  = ".key"
	keyNonce   = aes.BlockSize
	keyAccount = "$G" // in which the streams are
)

var errBlockKey = errors.New("engine: the key of a block is damaged")

// blockKey opens one block. A nil one is that of a block that is not encrypted.
type blockKey struct {
	block cipher.Block
	nonce [keyNonce]byte
}

// readBlockKey returns the key of block n of a stream, nil if secret is empty.
func readBlockKey(secret, dir, stream string, n uint32) (*blockKey, error) {
	if secret == "" {
		return nil, nil //nolint:nilnil // it needs none
	}
	sealed, err := os.ReadFile(keyName(dir, n))
	if err != nil {
		return nil, err
	}
	if len(sealed) < keyNonce {
		return nil, errBlockKey
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(keyAccount + stream + ":" + strconv.FormatUint(uint64(n), 10)))
	kek, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCMWithNonceSize(kek, keyNonce)
	if err != nil {
		return nil, err
	}
	k := &blockKey{nonce: [keyNonce]byte(sealed)}
	key, err := gcm.Open(nil, sealed[:keyNonce], sealed[keyNonce:], nil)
	if err != nil {
		return nil, errBlockKey
	}
	k.block, err = aes.NewCipher(key)
	return k, err
}

// keyName is the file with the key of block n.
func keyName(dir string, n uint32) string {
	return filepath.Join(dir, strconv.FormatUint(uint64(n), 10)+keySuffix)
}

// xor encrypts b, which is at off in the block, or decrypts it.
func (k *blockKey) xor(b []byte, off int64) {
	if k == nil {
		return
	}
	at := uint64(off / aes.BlockSize)
	low := binary.BigEndian.Uint64(k.nonce[8:])
	var iv [keyNonce]byte
	copy(iv[:8], k.nonce[:8])
	binary.BigEndian.PutUint64(iv[8:], low+at)
	if low+at < low {
		binary.BigEndian.PutUint64(iv[:8], binary.BigEndian.Uint64(k.nonce[:8])+1)
	}
	stream := cipher.NewCTR(k.block, iv[:])
	var skip [aes.BlockSize]byte
	stream.XORKeyStream(skip[:off%aes.BlockSize], skip[:off%aes.BlockSize])
	stream.XORKeyStream(b, b)
}

// opened reads a block as it is before encryption.
type opened struct {
	io.ReaderAt
	key *blockKey
}

func (o opened) ReadAt(b []byte, off int64) (int, error) {
	n, err := o.ReaderAt.ReadAt(b, off)
	o.key.xor(b[:n], off)
	return n, err
}
