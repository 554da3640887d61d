using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Pascl.Training.Evaluation;

/// <summary>A model of somebody else's, of which features and logits were evaluated.</summary>
/// <param name="Name">What it is called in comparisons.</param>
/// <param name="Seed">The seed of its training, by which comparisons tell several of a name apart.</param>
/// <param name="TestLabels">SHA-256 of the labels of the test images (int32, little endian), by which comparisons tell other splits.</param>
/// <param name="Files">Every file that went into the evaluation.</param>
public sealed record ForeignModel(string Name, int Seed, string TestLabels, IReadOnlyList<InputFile> Files)
{
    /// <summary>The hash of labels.</summary>
    internal static string HashOf(ReadOnlySpan<int> labels) => Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(labels)));
}

/// <summary>A file that went into an evaluation.</summary>
/// <param name="Set">What it is to the evaluation: <c>training</c>, <c>test</c>, the name of a set, <c>classifier</c> or <c>model</c>.</param>
/// <param name="File">Its name without the folder.</param>
/// <param name="Bytes">Its length; null for images.</param>
/// <param name="Sha256">SHA-256 of its bytes, in hexadecimal; of images the fingerprint of their pixels and labels.</param>
/// <param name="Images">Rows of the set that the file belongs to; null for a file that is no set.</param>
/// <param name="Contents">What was taken from it: array, type and shape.</param>
public sealed record InputFile(string Set, string File, long? Bytes, string Sha256, int? Images, string Contents);
