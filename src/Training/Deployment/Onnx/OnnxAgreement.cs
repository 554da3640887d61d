namespace Pascl.Training.Deployment.Onnx;

/// <summary>
/// How far an exported model is from the network it came from: the largest |a - b| / max(1, |b|) over all images, with b by torch in float32 and its softmax
/// and score in double.
/// </summary>
/// <param name="Images">Images that were compared.</param>
/// <param name="Logits">Largest difference of the logits.</param>
/// <param name="Probabilities">Largest difference of the probabilities.</param>
/// <param name="Scores">Largest difference of the scores.</param>
/// <param name="Decisions">
/// Images that one accepts and the other rejects. The score of such an image may lie so near to the threshold that the allowed difference decides; those are
/// not counted.
/// </param>
internal sealed record OnnxAgreement(int Images, double Logits, double Probabilities, double Scores, int Decisions)
{
    /// <summary>The difference that is allowed.</summary>
    public const double Allowed = 1e-4;

    /// <summary>The largest difference of all.</summary>
    public double Largest => Math.Max(Logits, Math.Max(Probabilities, Scores));

    /// <summary>Whether the exported model may be used in the network's place.</summary>
    public bool Holds => Largest <= Allowed && Decisions == 0;
}
