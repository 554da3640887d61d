namespace Pascl.Training.Model;

/// <summary>Which parameters a phase trains; the others are frozen.</summary>
public enum TrainableParameters
{
    /// <summary>First phase: everything but the auxiliary branch.</summary>
    MainBranch,

    /// <summary>Second phase: the auxiliary branch's BatchNorm and classifier.</summary>
    BatchNormAndClassifier,

    /// <summary>Second phase, variant: the auxiliary branch's BatchNorm alone.</summary>
    BatchNorm,

    /// <summary>Second phase, variant: the auxiliary branch's classifier alone; its BatchNorm uses the running statistics.</summary>
    Classifier,
}
