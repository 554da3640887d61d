namespace Pascl.Training.Model;

/// <summary>The two branches of BatchNorm and classifier over one set of convolutions.</summary>
public enum Branch
{
    /// <summary>Trained in the first phase with outliers; gives the out-of-distribution score.</summary>
    Main,

    /// <summary>Finetuned in the second phase on in-distribution images alone; gives the class.</summary>
    Auxiliary,
}
